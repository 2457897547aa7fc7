"""Persisted documents: those that clients name instead of sending them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bff.errors import SettingsError
from bff.serving.documents import Documents
from bff.serving.errors import RequestRefused
from bff.serving.limits import Limits
from bff.serving.manifest import PersistedDocument
from bff.serving.parsed_document import ParsedDocument
from bff.serving.request import PERSISTED_QUERY, Request

__all__ = ["AutomaticDocuments", "Found", "PersistedDocuments", "TrustedDocuments"]

SHA256: Final = "sha256:"
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Found:
    """The document of a request. ``persisted`` says that the client has named it, or that it is a trusted one."""

    document: ParsedDocument
    persisted: bool


class AutomaticDocuments:
    """Documents that clients have sent together with their hash, by that hash: the most recently used ones, within the limits.

    Each process has its own: a client that another one does not know sends its text once more.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._characters = 0

    def get(self, hash: str) -> str | None:
        text = self._texts.get(hash)
        if text is not None:
            self._texts.move_to_end(hash)
        return text

    def keep(self, hash: str, text: str) -> None:
        if len(text) > self._limits.persisted_characters:
            return
        if hash not in self._texts:
            self._characters += len(text)
        self._texts[hash] = text
        self._texts.move_to_end(hash)
        while len(self._texts) > self._limits.persisted_documents or self._characters > self._limits.persisted_characters:
            _, oldest = self._texts.popitem(last=False)
            self._characters -= len(oldest)


class TrustedDocuments:
    """The documents of a manifest: by the ids that it gives them, by ``sha256:`` and their hash, and by their very text.

    Raises SettingsError naming each document that the schema does not allow.
    """

    def __init__(self, manifest: Sequence[PersistedDocument], documents: Documents, *, only: bool = True) -> None:
        self.only = only
        self._texts: dict[str, str] = {}
        self._known: set[str] = set()
        misfits = []
        for one in manifest:
            try:
                documents.pin(one.body)
            except RequestRefused as refused:
                misfits.append(f"{one.name or one.id} ({'; '.join(error['message'] for error in refused.errors)})")
            self._texts[one.id] = self._texts[f"{SHA256}{sha256_of(one.body)}"] = one.body
            self._known.add(one.body)
        if misfits:
            raise SettingsError(f"trusted_documents: the schema does not allow {', '.join(misfits)}")

    def text(self, id: str) -> str | None:
        """The text of an id."""
        return self._texts.get(id)

    def __contains__(self, text: str) -> bool:
        return text in self._known


class PersistedDocuments:
    """From what a request says to the document that it means.

    A document is named by Apollo's ``extensions.persistedQuery``
    (https://www.apollographql.com/docs/apollo-server/performance/apq), or by ``documentId`` as GraphQL over HTTP has it
    (https://github.com/graphql/graphql-over-http, appendix Persisted Documents). ``automatic`` lets clients register what they
    name by its SHA-256 hash; ``trusted`` are the documents of a manifest, possibly the only ones.
    """

    def __init__(
        self, documents: Documents, limits: Limits, *, automatic: bool = True, trusted: TrustedDocuments | None = None
    ) -> None:
        self._documents = documents
        self._trusted = trusted
        self._automatic = AutomaticDocuments(limits) if automatic else None

    def find(self, request: Request) -> Found:
        """The document. Raises RequestRefused where it is not known, not trusted, or not valid."""
        id = _id(request)
        if request.query is None:
            return Found(self._documents.get(self._named(id)), True)
        text = request.query
        if self._trusted is not None:
            if text in self._trusted:
                return Found(self._documents.get(text), True)
            if self._trusted.only:
                raise RequestRefused.because("This document is not one of the trusted ones.", "DOCUMENT_NOT_TRUSTED")
        hash = _hash(id)
        if self._automatic is None or hash is None:
            return Found(self._documents.get(text), False)
        if sha256_of(text) != hash:
            raise RequestRefused.because("The hash is not the SHA-256 hash of the query.")
        document = self._documents.get(text)
        self._automatic.keep(hash, text)
        return Found(document, True)

    def known(self, text: str) -> ParsedDocument | None:
        """The document of a text that was sent as it is, by somebody who has no name for it, if it is kept; None where it is not,
        and where it is a trusted one, or must be."""
        if self._trusted is not None and (self._trusted.only or text in self._trusted):
            return None
        return self._documents.known(text)

    def _named(self, id: str | None) -> str:
        if id is None:
            raise RequestRefused.because("There is neither a query nor the id of one.")
        hash = _hash(id)
        if self._trusted is not None:
            # Apollo's clients say the bare id, be it a hash or not.
            text = self._trusted.text(id) or (None if hash is None else self._trusted.text(hash))
            if text is not None:
                return text
            if self._trusted.only:
                raise RequestRefused.because("No trusted document has this id.", "DOCUMENT_NOT_TRUSTED")
        if hash is not None and self._automatic is None:
            # Apollo's clients look for these very messages, and then send the whole query.
            raise RequestRefused.because("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")
        text = None if hash is None or self._automatic is None else self._automatic.get(hash)
        if text is None:
            raise RequestRefused.because("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
        return text


def sha256_of(text: str) -> str:
    """The hash of a document's text, as clients compute it."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _id(request: Request) -> str | None:
    """What the request calls its document: Apollo's hash with ``sha256:`` before it, as ``documentId`` has it."""
    if request.document_id is not None:
        return request.document_id
    asked = None if request.extensions is None else request.extensions.get(PERSISTED_QUERY)
    if asked is None:
        return None
    if not isinstance(asked, Mapping) or asked.get("version") != VERSION:
        raise _malformed("is of another version than 1")
    hash: Any = asked.get("sha256Hash")
    if not isinstance(hash, str) or not hash:
        raise _malformed("has no sha256Hash")
    return f"{SHA256}{hash}"


def _hash(id: str | None) -> str | None:
    return id.removeprefix(SHA256) if id is not None and id.startswith(SHA256) else None


def _malformed(problem: str) -> RequestRefused:
    return RequestRefused.because(f"extensions.{PERSISTED_QUERY} {problem}.")
