"""The thread that what waits for the disk is handed over to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

__all__ = ["WriterThread", "tell"]


class WriterThread:
    """Does one thing after the other, in the order in which they were handed over. It begins with the first.

    What the event loop takes to hand something over, and the thread to come back, is on the way of every mutation, and one that
    runs Python keeps the other waiting: hence a queue and nothing else, neither an executor nor its futures.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: Thread | None = None
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def hand_over(self, work: Callable[[], None]) -> None:
        """Have the work done. It raises nothing, and says itself to whom it is to be told (``tell``)."""
        if self._thread is None:
            # A datastore that nobody has closed does not keep the process.
            self._thread = Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._work.put(work)

    def close(self) -> None:
        """Wait for what was handed over, and join the thread."""
        if self._thread is not None:
            self._work.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()


def tell(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Have it called on the event loop, from another thread."""
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        return  # the event loop is closed: nobody waits for it any more
