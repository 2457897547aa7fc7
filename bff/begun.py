"""Awaiting what was begun by hand: where it comes to its end without waiting, no clock is started for it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Generic, TypeVar

__all__ = ["Begun"]

T = TypeVar("T")


class Begun(Generic[T]):
    """An awaitable that was begun, and has come to something that it waits for: awaited, it goes on."""

    __slots__ = ("_running", "_waits_for")

    def __init__(self, running: Generator[Any, Any, T], waits_for: Any) -> None:
        self._running = running
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, T]:
        yielded = self._waits_for
        while True:
            raised: BaseException | None = None
            sent = None
            try:
                sent = yield yielded
            except BaseException as error:
                raised = error
            try:
                yielded = self._running.send(sent) if raised is None else self._running.throw(raised)
            except StopIteration as done:
                found: T = done.value
                return found
