"""A Listening made of an iterator of batches: for tests that stand between a datastore and who listens to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from bff.datastore.port import Changes, Listening

__all__ = ["Delivered"]


class Delivered:
    """Delivers ``batches``; nudges go to the listener that they come from, where there is one."""

    def __init__(self, batches: AsyncIterator[Changes], listening: Listening | None = None) -> None:
        self._batches = batches
        self._listening = listening

    def __aiter__(self) -> AsyncIterator[Changes]:
        return self._batches

    @property
    def following(self) -> bool:
        return self._listening is None or self._listening.following

    def nudge(self) -> None:
        if self._listening is not None:
            self._listening.nudge()
