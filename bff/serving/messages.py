"""The messages of graphql-transport-ws: what a client may send, as types with one pure parse, and what we send, as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, TypeAlias

import orjson

from bff.serving.request import Request

__all__ = [
    "AFTER_RESULT",
    "SUBPROTOCOL",
    "ClientMessage",
    "CloseCode",
    "Complete",
    "ConnectionInit",
    "InvalidMessage",
    "Ping",
    "Pong",
    "Subscribe",
    "before_result",
    "complete",
    "connection_ack",
    "error",
    "parse",
    "ping",
    "pong",
    "too_long",
]

SUBPROTOCOL: Final = "graphql-transport-ws"


class CloseCode(IntEnum):
    """Why we close a socket. The graphql-ws client connects again after 1012, 1013, 4403 and 4408, not after the others."""

    NORMAL = 1000
    TOO_BIG = 1009
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    SUBPROTOCOL_NOT_ACCEPTABLE = 4406
    TIMEOUT = 4408
    SUBSCRIBER_EXISTS = 4409
    TOO_MANY_INITIALISATIONS = 4429
    INTERNAL = 4500


class InvalidMessage(ValueError):
    """A frame that is no message of the protocol; its text is the reason of the 4400 that follows."""


@dataclass(frozen=True, slots=True)
class ConnectionInit:
    payload: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Ping:
    payload: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Pong:
    payload: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Subscribe:
    id: str
    request: Request


@dataclass(frozen=True, slots=True)
class Complete:
    id: str


ClientMessage: TypeAlias = ConnectionInit | Ping | Pong | Subscribe | Complete


def too_long(frame: str | bytes, limit: int) -> bool:
    """Whether a frame is over so many bytes."""
    if len(frame) > limit:
        return True
    # Only where it could matter: a character is up to four bytes.
    return isinstance(frame, str) and len(frame) * 4 > limit and len(frame.encode(errors="surrogatepass")) > limit


def parse(frame: str | bytes) -> ClientMessage:
    """One frame from a client. Raises InvalidMessage."""
    if isinstance(frame, bytes):
        raise InvalidMessage("Messages are text frames, not binary ones")
    try:
        message = orjson.loads(frame)
    except ValueError:
        raise InvalidMessage("The message is not valid JSON") from None
    if not isinstance(message, dict):
        raise InvalidMessage("The message is not a JSON object")
    kind = message.get("type")
    if not isinstance(kind, str):
        raise InvalidMessage("The message's 'type' is not a string")
    match kind:
        case "connection_init":
            return ConnectionInit(_object(message, kind, "payload"))
        case "ping":
            return Ping(_object(message, kind, "payload"))
        case "pong":
            return Pong(_object(message, kind, "payload"))
        case "subscribe":
            return Subscribe(_id(message, kind), _request(message.get("payload")))
        case "complete":
            return Complete(_id(message, kind))
    raise InvalidMessage(f"Unexpected message of type '{kind[:40]}'")


def _object(holder: dict[str, Any], kind: str, name: str) -> dict[str, Any] | None:
    value = holder.get(name)
    if value is None or isinstance(value, dict):
        return value
    raise InvalidMessage(f"The '{name}' of '{kind}' is not an object")


def _id(message: dict[str, Any], kind: str) -> str:
    value = message.get("id")
    if isinstance(value, str) and value:
        return value
    raise InvalidMessage(f"The 'id' of '{kind}' is not a string, or is empty")


def _request(payload: Any) -> Request:
    if not isinstance(payload, dict):
        raise InvalidMessage("The 'payload' of 'subscribe' is not an object")
    query, name = payload.get("query"), payload.get("operationName")
    document_id = payload.get("documentId")
    if document_id is not None and not isinstance(document_id, str):
        raise InvalidMessage("The 'documentId' of 'subscribe' is not a string")
    if name is not None and not isinstance(name, str):
        raise InvalidMessage("The 'operationName' of 'subscribe' is not a string")
    variables, extensions = _object(payload, "subscribe", "variables"), _object(payload, "subscribe", "extensions")
    request = Request(query, name, variables, extensions, document_id)
    if not isinstance(query, str) and (query is not None or not request.names_document):
        raise InvalidMessage("The 'query' of 'subscribe' is not a string")
    return request


def connection_ack(payload: Mapping[str, Any] | None = None) -> bytes:
    return _dump("connection_ack", payload)


def ping(payload: Mapping[str, Any] | None = None) -> bytes:
    return _dump("ping", payload)


def pong(payload: Mapping[str, Any] | None = None) -> bytes:
    return _dump("pong", payload)


def before_result(id: str) -> bytes:
    """What stands before the JSON of a result, in a ``next``."""
    return b'{"id":%b,"type":"next","payload":' % orjson.dumps(id)


AFTER_RESULT: Final = b"}"
"""What stands behind the JSON of a result, in a ``next``."""


def error(id: str, errors: list[dict[str, Any]]) -> bytes:
    """Raises TypeError where the errors cannot be written as JSON."""
    return orjson.dumps({"id": id, "type": "error", "payload": errors})


def complete(id: str) -> bytes:
    return orjson.dumps({"id": id, "type": "complete"})


def _dump(kind: str, payload: Mapping[str, Any] | None) -> bytes:
    return orjson.dumps({"type": kind} if payload is None else {"type": kind, "payload": payload})
