"""``extensions.bff.patch``: results of a subscription as RFC 6902 patches against what the client holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jsonpatch
import orjson

from bff.request_extensions import NAME
from bff.serving.context import Response
from bff.serving.limits import Limits

__all__ = ["Patches"]


@dataclass(frozen=True, slots=True)
class _Held:
    """What the client holds: the data of a result, as JSON, and its version."""

    text: bytes
    version: str


class Patches:
    """Makes patches for one subscription, from results that are all sent, in order.

    A result goes out whole where the client holds nothing to patch: the first one, one with errors and the one after it, and one
    whose version cannot be told. So does one that is longer than ``limits.patch_bytes``, or not longer than its patch, or whose
    patch not every client applies.
    """

    def __init__(self, since: str | None, limits: Limits) -> None:
        self._since = since
        self._limit = limits.patch_bytes
        self._held: _Held | None = None

    def skip(self, payload: Response, version: str | None) -> None:
        """A result is not sent, since the client has said that it holds it, or something newer."""
        # What is newer than this result is not what this result says.
        self._held = self._holding(payload, version) if version == self._since else None

    def apply(self, payload: Response, version: str | None) -> Response:
        """What to send for a result. Raises TypeError where the data cannot be written as JSON."""
        before, after = self._held, self._holding(payload, version)
        self._held = after
        if before is not None and after is not None:
            operations = _difference(before, after)
            if len(orjson.dumps(operations)) < len(after.text) and not any(map(_misread, operations)):
                return {"extensions": _told(payload, version=after.version, **{"from": before.version}, patch=operations)}
        return payload if version is None else {**payload, "extensions": _told(payload, version=version)}

    def _holding(self, payload: Response, version: str | None) -> _Held | None:
        if version is None or payload.get("errors"):
            return None
        text = orjson.dumps(payload.get("data"))
        return _Held(text, version) if len(text) <= self._limit else None


def _told(payload: Response, **added: Any) -> dict[str, Any]:
    extensions = payload.get("extensions") or {}
    return {**extensions, NAME: {**extensions.get(NAME, {}), **added}}


def _difference(before: _Held, after: _Held) -> list[dict[str, Any]]:
    # It compares what ``dumps`` gives: with the standard library's, that takes most of the time.
    patch = jsonpatch.JsonPatch.from_diff(orjson.loads(before.text), orjson.loads(after.text), dumps=_dumps)
    operations: list[dict[str, Any]] = patch.patch
    return operations


def _misread(operation: dict[str, Any]) -> bool:
    """Whether it moves an item of an array into one behind it.

    By RFC 6902, section 4.4, ``path`` is where that is once the item is removed. npm's fast-json-patch also looks there before,
    one place off, and raises where it finds a null or a scalar.
    """
    if operation["op"] != "move":
        return False
    array, _, index = operation["from"].rpartition("/")
    return index.isdecimal() and operation["path"].startswith(f"{array}/") and "/" in operation["path"][len(array) + 1 :]


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()
