"""What a client sends, whichever way it comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["PERSISTED_QUERY", "Request"]

PERSISTED_QUERY = "persistedQuery"
"""The key of Apollo's persisted queries in the extensions of a request."""


@dataclass(frozen=True, slots=True)
class Request:
    """The parameters of GraphQL over HTTP, of the right types.

    ``query`` is None where the document is only named: by ``document_id``, or by ``persistedQuery`` in ``extensions``.
    """

    query: str | None
    operation_name: str | None = None
    variables: Mapping[str, Any] | None = None
    extensions: Mapping[str, Any] | None = None
    document_id: str | None = None

    @property
    def names_document(self) -> bool:
        """Whether the document is named, by whatever means, sent or not."""
        return self.document_id is not None or (self.extensions is not None and PERSISTED_QUERY in self.extensions)
