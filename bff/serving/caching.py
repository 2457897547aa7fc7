"""Conditional requests: a client that holds an answer is told whether it still holds, from the versions of views alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import OperationType
from starlette.requests import Request as HTTPRequest

from bff.serving.etags import ANY, ETags, VersionedContext, held
from bff.serving.negotiation import field_value
from bff.serving.operations import Operation
from bff.serving.responses import cached

__all__ = ["Caching", "Conditional"]


class Caching:
    """Finds out which requests are answered with an ETag."""

    def __init__(self, etags: ETags) -> None:
        self._etags = etags

    def conditional(self, request: HTTPRequest, operation: Operation, context: Any, media_type: str) -> Conditional | None:
        """What can be said of the answer to a GET, or to a persisted query; None where it depends on more than stored views.

        A POST has no 304 in HTTP (RFC 9110, section 13.1.2). A persisted query is the exception that its clients ask for: it is
        named by what it is, and would be a GET if its variables fitted into a URL.
        """
        if operation.kind is not OperationType.QUERY or operation.asked.given or not isinstance(context, VersionedContext):
            return None
        if request.method != "GET" and not operation.persisted:
            return None
        age = operation.parsed.max_age
        if age is None:
            return None
        tags = held(field_value(request.headers, "if-none-match"))
        return Conditional(self._etags, operation, context, media_type, age, tags)


@dataclass(frozen=True, slots=True)
class Conditional:
    """One request that is answered with an ETag if nothing goes wrong."""

    _etags: ETags
    _operation: Operation
    _context: VersionedContext
    _media_type: str
    _max_age: int
    _held: list[str]

    async def unchanged(self) -> dict[str, str] | None:
        """The headers of a 304, if what one of the client's ETags was made of is as it was. Raises what reading raises."""
        for tag in self._held:
            reads = self._etags.reads(tag, self._operation, self._media_type, self._context.audience)
            if reads is not None and await self._context.unchanged(reads):
                return cached(tag, self._max_age)
        return None

    def headers(self, response: Mapping[str, Any]) -> dict[str, str] | None:
        """The headers of the answer; None where it is not only data, and so not to be kept."""
        read = self._context.read_versions if response.keys() == {"data"} else None
        if read is None:
            return None
        # What is not there yet has no fields that say for how long: it may be there the next moment.
        age = self._max_age if read.whole else 0
        return cached(self._etags.add(self._operation, self._media_type, self._context.audience, read), age)

    def holds(self, tag: str) -> bool:
        """Whether the client has said that it holds this."""
        return tag in self._held or ANY in self._held
