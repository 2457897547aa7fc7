"""GraphQL documents, parsed and validated once."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

from graphql import (
    ASTValidationRule,
    DocumentNode,
    GraphQLSchema,
    GraphQLSyntaxError,
    NoSchemaIntrospectionCustomRule,
    Token,
    assert_valid_schema,
    parse,
    specified_rules,
    validate,
)

from bff.serving.document_size import TooLarge, check_size, too_large
from bff.serving.errors import RequestRefused, format_request_error
from bff.serving.finite_floats import FiniteFloats
from bff.serving.limits import Limits
from bff.serving.parsed_document import ParsedDocument
from bff.serving.planning import Plan, Plans, Weighed

__all__ = ["Documents"]

_MAX_ERRORS = 20


class Documents:
    """The documents that clients send, by their text: parsing and validating costs four times what executing does.

    Only valid documents are kept, the most recently used ones, within ``limits.cached_documents`` and
    ``limits.cached_characters``. With each goes what is known of its operations; their plans count as further characters.
    Those that were asked once have a quarter of the room, where others need the rest: thousands of operations that nobody asks
    again drive out none that somebody does.
    Raises TypeError where the schema itself is not valid.
    """

    def __init__(self, schema: GraphQLSchema, limits: Limits, *, introspection: bool = True, plans: Plans | None = None) -> None:
        assert_valid_schema(schema)
        self._schema = schema
        self._limits = limits
        self._rules: list[type[ASTValidationRule]] = [*specified_rules, FiniteFloats]
        self.introspection = introspection
        if not introspection:
            self._rules.append(NoSchemaIntrospectionCustomRule)
        self._plans = plans
        self._pinned: dict[str, ParsedDocument] = {}
        self._kept: OrderedDict[str, ParsedDocument] = OrderedDict()
        self._asked_once: OrderedDict[str, ParsedDocument] = OrderedDict()
        self._characters = 0
        self._characters_asked_once = 0

    def get(self, text: str) -> ParsedDocument:
        """The parsed, valid document. Raises RequestRefused with GRAPHQL_PARSE_FAILED or GRAPHQL_VALIDATION_FAILED."""
        document = self.known(text)
        if document is not None:
            return document
        node = self._parse_limited(text)
        keeps = len(text) <= self._limits.cached_characters
        # What is not kept is not worth a plan.
        plans = self._plans if keeps else None
        try:
            document = ParsedDocument(
                self._schema, text, node, plans, partial(self._planned, text), most_cost=self._limits.query_cost
            )
        except TooLarge as error:
            raise too_large(error) from error
        except RecursionError as error:
            raise RequestRefused.because("The document is nested too deeply.", "GRAPHQL_VALIDATION_FAILED") from error
        # Last: it takes longest, and what costs too much is refused whether it is valid or not.
        self._validate(node)
        if keeps:
            document.characters = len(text)
            self._asked_once[text] = document
            self._characters_asked_once += len(text)
            self._trim()
        return document

    def known(self, text: str) -> ParsedDocument | None:
        """As ``get``, of what is kept."""
        document = self._kept.get(text)
        if document is not None:
            self._kept.move_to_end(text)
            return document
        document = self._asked_once.pop(text, None)
        if document is not None:
            self._kept[text] = document
            self._characters += document.characters
            self._characters_asked_once -= document.characters
            return document
        return self._pinned.get(text)

    def pin(self, text: str) -> None:
        """Keep a document for good, whatever its length: one of the app's own clients. Raises RequestRefused as ``get``."""
        node = self._parse(text, None)
        self._validate(node)
        self._pinned[text] = ParsedDocument(self._schema, text, node, self._plans)

    def _parse(self, text: str, max_tokens: int | None) -> DocumentNode:
        try:
            document = parse(text, max_tokens=max_tokens)
        except GraphQLSyntaxError as error:
            # graphql-core has no other sign of it.
            limit = "query_tokens" if error.message.endswith("tokens. Parsing aborted.") else None
            raise RequestRefused([format_request_error(error, "GRAPHQL_PARSE_FAILED")], limit=limit) from error
        except RecursionError as error:
            raise RequestRefused.because("The document is nested too deeply.", "GRAPHQL_PARSE_FAILED") from error
        _unlink(document)
        return document

    def _parse_limited(self, text: str) -> DocumentNode:
        """Parse what a client has sent. Raises RequestRefused where it asks for more than the limits allow."""
        limits = self._limits
        if len(text) > limits.query_characters:
            message = f"The document is longer than {limits.query_characters} characters."
            raise RequestRefused.because(message, "GRAPHQL_PARSE_FAILED", limit="query_characters")
        document = self._parse(text, limits.query_tokens)
        try:
            check_size(document, limits)
        except TooLarge as error:
            raise too_large(error) from error
        except RecursionError as error:
            raise RequestRefused.because("The document is nested too deeply.", "GRAPHQL_VALIDATION_FAILED") from error
        return document

    def _validate(self, document: DocumentNode) -> None:
        try:
            errors = validate(
                self._schema, document, self._rules, max_errors=_MAX_ERRORS, hide_suggestions=not self.introspection
            )
        except RecursionError as error:
            raise RequestRefused.because("The document is nested too deeply.", "GRAPHQL_VALIDATION_FAILED") from error
        if errors:
            raise RequestRefused([format_request_error(error, "GRAPHQL_VALIDATION_FAILED") for error in errors])

    def _planned(self, text: str, plan: Plan) -> None:
        """A plan was made: what it weighs is counted to its document."""
        weight = plan.weight if isinstance(plan, Weighed) else len(text)
        if (document := self._kept.get(text)) is not None:
            self._characters += weight
        elif (document := self._asked_once.get(text)) is not None:
            self._characters_asked_once += weight
        else:
            return
        document.characters += weight
        if document.characters > self._limits.cached_characters and text in self._kept:
            # It would drive out all others, and then itself.
            self._kept.move_to_end(text, last=False)
        self._trim()

    def _trim(self) -> None:
        most, characters = self._limits.cached_documents, self._limits.cached_characters
        while len(self._kept) + len(self._asked_once) > most or self._characters + self._characters_asked_once > characters:
            crowded = len(self._asked_once) > most / 4 or self._characters_asked_once > characters / 4
            if not self._kept or (crowded and len(self._asked_once) > 1):
                _, oldest = self._asked_once.popitem(last=False)
                self._characters_asked_once -= oldest.characters
            else:
                _, oldest = self._kept.popitem(last=False)
                self._characters -= oldest.characters


def _unlink(document: DocumentNode) -> None:
    """Let go of the tokens that a document was parsed from: they are half of its memory, and lead to each other in a circle that
    only a full garbage collection would find. Places in the text are told from offsets alone."""
    if document.loc is None:
        return
    token: Token | None = document.loc.start_token
    while token is not None:
        following, token.next, token.prev = token.next, None, None
        token = following
