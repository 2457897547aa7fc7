"""GraphQL documents, parsed and validated once."""

from __future__ import annotations

from collections import OrderedDict

from graphql import (
    ASTValidationRule,
    DocumentNode,
    GraphQLSchema,
    GraphQLSyntaxError,
    NoSchemaIntrospectionCustomRule,
    assert_valid_schema,
    parse,
    specified_rules,
    validate,
)

from bff.serving.depth import too_deep
from bff.serving.errors import RequestRefused, format_request_error
from bff.serving.limits import Limits

__all__ = ["Documents"]

_MAX_ERRORS = 20


class Documents:
    """The documents that clients send, by their text: parsing and validating costs four times what executing does.

    Only valid documents are kept, the most recently used ones, within ``limits.cached_documents`` and
    ``limits.cached_characters``. Raises TypeError where the schema itself is not valid.
    """

    def __init__(self, schema: GraphQLSchema, limits: Limits, *, introspection: bool = True) -> None:
        assert_valid_schema(schema)
        self._schema = schema
        self._limits = limits
        self._rules: list[type[ASTValidationRule]] = [*specified_rules]
        self.introspection = introspection
        if not introspection:
            self._rules.append(NoSchemaIntrospectionCustomRule)
        self._pinned: dict[str, DocumentNode] = {}
        self._kept: OrderedDict[str, DocumentNode] = OrderedDict()
        self._characters = 0

    def get(self, text: str) -> DocumentNode:
        """The parsed, valid document. Raises RequestRefused with GRAPHQL_PARSE_FAILED or GRAPHQL_VALIDATION_FAILED."""
        document = self._pinned.get(text)
        if document is not None:
            return document
        document = self._kept.get(text)
        if document is not None:
            self._kept.move_to_end(text)
            return document
        document = self._parse(text, self._limits.query_tokens)
        self._validate(document, self._limits.query_depth)
        self._keep(text, document)
        return document

    def pin(self, text: str) -> None:
        """Keep a document for good, whatever its length: one of the app's own clients. Raises RequestRefused as ``get``."""
        document = self._parse(text, None)
        self._validate(document)
        self._pinned[text] = document

    def _parse(self, text: str, max_tokens: int | None) -> DocumentNode:
        try:
            return parse(text, max_tokens=max_tokens)
        except GraphQLSyntaxError as error:
            raise RequestRefused([format_request_error(error, "GRAPHQL_PARSE_FAILED")]) from error
        except RecursionError as error:
            raise RequestRefused.because("The document is nested too deeply.", "GRAPHQL_PARSE_FAILED") from error

    def _validate(self, document: DocumentNode, max_depth: int | None = None) -> None:
        try:
            errors = validate(
                self._schema, document, self._rules, max_errors=_MAX_ERRORS, hide_suggestions=not self.introspection
            )
            if not errors and max_depth is not None:
                errors = too_deep(document, max_depth)
        except RecursionError as error:
            raise RequestRefused.because("The document is nested too deeply.", "GRAPHQL_VALIDATION_FAILED") from error
        if errors:
            raise RequestRefused([format_request_error(error, "GRAPHQL_VALIDATION_FAILED") for error in errors])

    def _keep(self, text: str, document: DocumentNode) -> None:
        if len(text) > self._limits.cached_characters:
            return
        self._kept[text] = document
        self._characters += len(text)
        while len(self._kept) > self._limits.cached_documents or self._characters > self._limits.cached_characters:
            oldest, _ = self._kept.popitem(last=False)
            self._characters -= len(oldest)
