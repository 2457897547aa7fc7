"""The short way of an operation over HTTP: from the ASGI scope to the bytes of its plan, with nothing in between.

Whatever is not plainly a POST of an operation with a plan goes the long way (``bff.serving.http``), with what was read of it.
The two answer the same: tests/serving/test_shortcut.py compares them. docs/decisions/http-path.md says what each step costs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

import orjson
from starlette.requests import HTTPConnection
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from bff.auth.authenticator import Authenticator
from bff.begun import Begun
from bff.errors import RequestError
from bff.observability.request_id import HEADER, request_id_of
from bff.principal import ANONYMOUS, Principal
from bff.request_extensions import NAME
from bff.serving.compression import MINIMUM_BYTES, Compression, preferred_encoding
from bff.serving.limits import Limits
from bff.serving.memo import Memo
from bff.serving.negotiation import is_json, negotiate
from bff.serving.operations import Operation
from bff.serving.parsed_document import ParsedOperation
from bff.serving.persisted import PersistedDocuments
from bff.serving.planned_answer import planned_answer
from bff.serving.planning import Answer
from bff.serving.replay import Replay, whole_body
from bff.serving.request import PERSISTED_QUERY, Request
from bff.serving.responses import Head, head
from bff.serving.single_connection import TOKEN_HEADER
from bff.serving.streaming import Streaming

__all__ = ["Change", "Shortcut"]

Change: TypeAlias = Callable[[HTTPRequest, Operation, str], Awaitable[bytes | Response]]
"""Does a mutation, to be answered with that media type: the body of the answer, or all of it where the request failed."""

_LONG_WAY: Final = frozenset({b"content-encoding", TOKEN_HEADER.encode()})
"""A request with one of these headers is not plain."""


class Shortcut:
    """Answers operations that have a plan. Queries have no context, and nobody's code is run but the plan's.

    Mutations are done by ``change``, which gives them a context.
    """

    def __init__(
        self,
        persisted: PersistedDocuments,
        limits: Limits,
        compression: Compression | None,
        change: Change | None = None,
        *,
        authenticator: Authenticator | None = None,
        other_origins: bool = False,
    ) -> None:
        """``authenticator`` says who asks.

        With ``other_origins`` their pages may read answers, which only the long way tells browsers.
        """
        self._not_plain = _LONG_WAY | ({b"origin"} if other_origins else set())
        self._persisted = persisted
        self._change = change
        self._authenticator = authenticator
        self._limits = limits
        self._compression = compression
        self._digits = len(str(limits.body_bytes))
        self._json = Memo(is_json)
        self._media_types = Memo(_media_type)
        self._encodings = Memo(preferred_encoding)
        self.answered = 0
        """How many requests it has answered."""
        self._heads: dict[tuple[str, str | None], Head] = {}

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> Receive | None:
        """Answer an HTTP request to the GraphQL path; None, then. Otherwise what the long way is to receive from."""
        if scope["method"] != "POST" or isinstance(receive, Replay):
            return receive
        headers: dict[bytes, bytes] = dict(scope["headers"])
        media_type = self._media_type(scope, headers)
        if media_type is None:
            return receive
        principal = ANONYMOUS if self._authenticator is None else await _identified(self._authenticator, scope)
        if principal is None:
            return receive
        message = await self._body(receive)
        if isinstance(message, TimeoutError) or message["type"] != "http.request":
            return Replay(message, receive)
        body = self._planned(message.get("body", b""), principal)
        if body is not None and not isinstance(body, bytes):
            if isinstance(body, Operation):
                assert self._change is not None, "otherwise there is no plan of a mutation"
                receive = Replay(message, receive)
                changed = await self._change(HTTPRequest(scope, receive, send), body, media_type)
                if isinstance(changed, Response):
                    await changed(scope, receive, send)
                    return None
                body = changed
            else:
                body = await body
        if body is None:
            return Replay(message, receive)
        encoding = None
        if self._compression is not None and len(body) >= MINIMUM_BYTES:
            encoding = self._encodings[headers.get(b"accept-encoding")]
            if encoding is not None:
                body = self._compression.at_hand(body, encoding) or await self._compression.compress(body, encoding)
        self.answered += 1
        await self._head(media_type, encoding, headers.get(HEADER)).send(scope, send, body)
        return None

    async def _body(self, receive: Receive) -> Message | TimeoutError:
        # Most bodies have arrived by now: no clock is started for them.
        reading: Any = receive().__await__()
        try:
            return await whole_body(Begun(reading, next(reading)), receive, self._limits)
        except StopIteration as done:
            message: Message = done.value
        return await whole_body(message, receive, self._limits) if message.get("more_body") else message

    def _media_type(self, scope: Scope, headers: Mapping[bytes, bytes]) -> str | None:
        """The media type to answer a POST of JSON with; None where something about it is not plain."""
        # Which of two lines of one name counts depends on the name.
        if len(headers) != len(scope["headers"]) or not self._not_plain.isdisjoint(headers):
            return None
        query_string = scope["query_string"]
        if query_string and (b"token" in query_string or b"%" in query_string):
            return None
        # A declared length of fewer digits than the limit is not over it.
        if len(headers.get(b"content-length", b"")) >= self._digits or not self._json[headers.get(b"content-type")]:
            return None
        return self._media_types[headers.get(b"accept")]

    def _planned(self, asked: bytes, principal: Principal) -> Answer | Awaitable[Answer] | Operation:
        """What the plan of a query answers, or a mutation that has one; None where there is no plan."""
        if len(asked) > self._limits.body_bytes:
            return None
        try:
            parameters = orjson.loads(asked)
        except ValueError:
            return None
        if type(parameters) is not dict or parameters.get("documentId") is not None:
            return None
        text, name = parameters.get("query"), parameters.get("operationName")
        given, extensions = parameters.get("variables"), parameters.get("extensions")
        if type(text) is not str or not (name is None or type(name) is str):
            return None
        if not (given is None or type(given) is dict) or not (extensions is None or _is_plain(extensions)):
            return None
        document = self._persisted.known(text)
        operation = None if document is None else document.operations.get(name)
        if operation is None:
            return None
        plan = operation.query_plan
        return self._mutation(operation, text, name, given) if plan is None else planned_answer(plan, given, principal)

    def _mutation(self, parsed: ParsedOperation, text: str, name: str | None, given: dict[str, Any] | None) -> Operation | None:
        """A mutation that has a plan; None where it has none, or its variables are wrong."""
        plan = None if self._change is None else parsed.mutation_plan
        if plan is None or plan.variables(given) is None:
            return None
        return Operation(Request(text, name, given), parsed, given or {})

    def _head(self, media_type: str, encoding: str | None, request_id: bytes | None) -> Head:
        known = self._heads.get((media_type, encoding))
        if known is None:
            known = self._heads[media_type, encoding] = head(media_type, encoding)
        if request_id is None:
            return known
        return known.with_line(HEADER, request_id_of([(HEADER, request_id)]).encode())


async def _identified(authenticator: Authenticator, scope: Scope) -> Principal | None:
    """Who asks; None where that is refused, and the long way is to say why."""
    try:
        return await authenticator.identify(HTTPConnection(scope))
    except RequestError:
        return None


def _is_plain(extensions: Any) -> bool:
    return type(extensions) is dict and NAME not in extensions and PERSISTED_QUERY not in extensions


def _media_type(accept: str | None) -> str | None:
    """The media type of an answer; None where the client takes a stream, or nothing of ours."""
    return None if Streaming.accepted(accept) else negotiate(accept)
