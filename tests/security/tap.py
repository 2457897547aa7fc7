"""An application whose every sent byte is looked at, by whom it was sent to."""

from __future__ import annotations

import gzip
from collections import Counter
from dataclasses import dataclass, field

import brotli
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.security.city import marks_in

__all__ = ["Leak", "Tap"]

_TAIL = 400
"""A mark may be in two chunks: so much of the one before is looked at again."""


@dataclass(frozen=True)
class Leak:
    """What was sent to whom, with a mark that is not theirs."""

    token: str | None
    way: str
    sent: bytes


@dataclass
class Tap:
    """``own`` counts, by token and kind of connection, how often somebody was sent a mark of their own."""

    app: ASGIApp
    leaks: list[Leak] = field(default_factory=list)
    own: Counter[tuple[str | None, str]] = field(default_factory=Counter)
    faults: list[bytes] = field(default_factory=list)
    """Answers with 500 or INTERNAL in them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        heard = _Heard(self, _token(scope), scope["type"])

        async def tapped(message: Message) -> None:
            heard.message(message)
            await send(message)

        await self.app(scope, receive, tapped)


def _token(scope: Scope) -> str | None:
    bearer = dict(scope["headers"]).get(b"authorization", b"").decode()
    return bearer.removeprefix("Bearer ") or None


class _Heard:
    """One connection."""

    def __init__(self, tap: Tap, token: str | None, way: str) -> None:
        self._tap = tap
        self._token = token
        self._way = way
        self._encoding = b""
        self._packed = b""
        self._tail = b""

    def message(self, message: Message) -> None:
        match message["type"]:
            case "http.response.start":
                headers = dict(message["headers"])
                self._encoding = headers.get(b"content-encoding", b"")
                kind = headers.get(b"content-type", b"").split(b";")[0].decode()
                self._way = kind if kind in ("text/event-stream", "multipart/mixed") else self._way
                self._look(b"\n".join(b"%b: %b" % pair for pair in message["headers"]))
                if message["status"] >= 500:
                    self._tap.faults.append(b"status %d" % message["status"])
            case "http.response.body" if self._encoding:
                self._packed += message.get("body", b"")
                if not message.get("more_body"):
                    self._look(brotli.decompress(self._packed) if self._encoding == b"br" else gzip.decompress(self._packed))
            case "http.response.body":
                self._look(message.get("body", b""))
            case "websocket.send":
                self._look((message.get("text") or "").encode() + (message.get("bytes") or b""))
            case "websocket.close":
                self._look((message.get("reason") or "").encode())

    def _look(self, sent: bytes) -> None:
        text = self._tail + sent
        self._tail = text[-_TAIL:]
        tenant = None if self._token is None else self._token.partition("-")[0]
        for mark in marks_in(text):
            if mark == tenant:
                self._tap.own[self._token, self._way] += 1
            else:
                self._tap.leaks.append(Leak(self._token, self._way, text))
        if b'"INTERNAL"' in sent:
            self._tap.faults.append(sent)
