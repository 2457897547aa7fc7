"""Writes to one socket with a task, as every ASGI server allows."""

from __future__ import annotations

import asyncio
import logging

from bff.serving.messages import CloseCode
from bff.serving.multiplex import Multiplex
from bff.serving.wire import Disconnected, Ending, Ends, Socket

__all__ = ["AwaitingWriter"]

logger = logging.getLogger("bff.serving")


class AwaitingWriter:
    """Writes what a socket's operations say, one message after the other.

    A peer that does not take a message for ``seconds`` is given up.
    """

    __slots__ = ("_ends", "_multiplex", "_seconds", "_socket", "_task")

    def __init__(
        self,
        socket: Socket,
        multiplex: Multiplex,
        seconds: float,
        ends: Ends,
    ) -> None:
        self._socket = socket
        self._multiplex = multiplex
        self._seconds = seconds
        self._ends = ends
        self._task = asyncio.create_task(self._write(), name="the writer of a WebSocket")

    def stop(self) -> asyncio.Task[None]:
        """Write nothing any more; the task ends soon."""
        self._task.cancel()
        return self._task

    async def _write(self) -> None:
        try:
            while True:
                text = await self._multiplex.take()
                async with asyncio.timeout(self._seconds):
                    await self._socket.send(text)
        except TimeoutError:
            self._ends.give_up()
        except Disconnected:
            self._ends.end(None)
        except Exception:
            logger.exception("a WebSocket session failed while it was written to")
            self._ends.end(Ending(CloseCode.INTERNAL, "Internal server error"))
