"""The parameters of GraphQL over HTTP, from a body or a query string to a Request."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request as HTTPRequest

from bff.serving.errors import RequestRefused
from bff.serving.limits import Limits
from bff.serving.negotiation import JSON, is_json
from bff.serving.request import Request

__all__ = ["Unacceptable", "from_body", "from_json", "from_query_string", "read_json"]


class Unacceptable(RequestRefused):
    """A request that is not a well-formed GraphQL-over-HTTP request: its status stands, whatever the client accepts."""


async def from_body(request: HTTPRequest, limits: Limits) -> Request:
    """Read a POST of one operation. Raises Unacceptable."""
    return from_json(await read_json(request, limits))


async def read_json(request: HTTPRequest, limits: Limits) -> Any:
    """The body of a POST. Raises Unacceptable where it is not JSON, or over the limits."""
    if not is_json(request.headers.get("content-type")):
        raise Unacceptable.because(f"Send {JSON}, in UTF-8.", "UNSUPPORTED_MEDIA_TYPE", 415)
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Unacceptable.because("Send the body without a content encoding.", "UNSUPPORTED_MEDIA_TYPE", 415)
    body = await _read(request, limits)
    try:
        return orjson.loads(body)
    except ValueError:
        raise Unacceptable.because("The body is not valid JSON, or nested too deeply.") from None


def from_json(parameters: Any) -> Request:
    """The parameters in a body. Raises Unacceptable."""
    if isinstance(parameters, list):
        raise Unacceptable.because("Batches are not served here: send one operation a request.")
    if not isinstance(parameters, dict):
        raise Unacceptable.because("The body is not a JSON object.")
    return _checked(parameters)


def from_query_string(parameters: Mapping[str, str]) -> Request:
    """Read a GET. Raises as ``from_body``."""
    read: dict[str, Any] = {
        "query": parameters.get("query"),
        "operationName": parameters.get("operationName") or None,
        "documentId": parameters.get("documentId") or None,
    }
    for name in ("variables", "extensions"):
        text = parameters.get(name)
        if text:
            try:
                read[name] = orjson.loads(text)
            except ValueError:
                raise Unacceptable.because(f"'{name}' is not valid JSON, or nested too deeply.") from None
    return _checked(read)


async def _read(request: HTTPRequest, limits: Limits) -> bytes:
    too_long = Unacceptable.because(f"The body is longer than {limits.body_bytes} bytes.", "TOO_LARGE", 413, limit="body_bytes")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limits.body_bytes:
        raise too_long
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.body_bytes:
                    raise too_long
    except TimeoutError:
        raise Unacceptable.because("The body did not arrive in time.", "TIMEOUT", 408, limit="body_seconds") from None
    return bytes(body)


def _checked(parameters: dict[str, Any]) -> Request:
    query, name, document_id = parameters.get("query"), parameters.get("operationName"), parameters.get("documentId")
    variables, extensions = parameters.get("variables"), parameters.get("extensions")
    for key, value in (("variables", variables), ("extensions", extensions)):
        if value is not None and not isinstance(value, dict):
            raise Unacceptable.because(f"'{key}' is not an object.")
    if name is not None and not isinstance(name, str):
        raise Unacceptable.because("'operationName' is not a string.")
    if document_id is not None and not isinstance(document_id, str):
        raise Unacceptable.because("'documentId' is not a string.")
    request = Request(query, name, variables, extensions, document_id)
    if query is None and request.names_document:
        return request
    if not isinstance(query, str) or not query.strip():
        raise Unacceptable.because("'query' is missing, empty or not a string.")
    return request
