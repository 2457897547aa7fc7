"""uvicorn's server, which goes down without losing what runs on it."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Coroutine
from typing import Any, Final, Protocol

from uvicorn import Config, Server

__all__ = ["Drained", "DrainingServer"]

logger = logging.getLogger("bff.serving")

_LOOK_SECONDS: Final = 0.1
_LEAST_SECONDS: Final = 0.5
"""What uvicorn is given in any case, for connections to close."""


class Drained(Protocol):
    """An application that can be asked to come to an end: ``bff.App``."""

    def begin_drain(self) -> None: ...

    async def drain(self) -> None: ...


class DrainingServer(Server):
    """On SIGTERM or SIGINT it goes down in this order:

    1. the app says that it is not ready; for ``notice_seconds`` everything goes on (only after SIGTERM);
    2. no more connections are taken;
    3. mutations are answered, and every subscription is ended such that its client connects again;
    4. requests that run are answered, connections close;
    5. the app's lifespan ends: projector and mediators save where they have come to, adapters are closed.

    The steps 2 to 4 take ``seconds`` at most, then what is left is cancelled. A second SIGINT (Ctrl-C) waits for nothing.
    """

    def __init__(self, config: Config, app: Drained, *, seconds: float, notice_seconds: float = 0.0) -> None:
        super().__init__(config)
        self._app = app
        self._seconds = seconds
        self._notice_seconds = notice_seconds

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.begin_drain()
        loop = asyncio.get_running_loop()
        if signal.SIGTERM in self._captured_signals:
            await self._unless_forced(asyncio.Event().wait(), self._notice_seconds)
        deadline = loop.time() + self._seconds
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        if not await self._unless_forced(self._app.drain(), self._seconds):
            logger.warning("clients are left that did not take their leave within %g s", self._seconds)
        # uvicorn takes any number of seconds, though it declares whole ones.
        self.config.timeout_graceful_shutdown = max(deadline - loop.time(), _LEAST_SECONDS)  # type: ignore[assignment]
        await super().shutdown(sockets)

    async def _unless_forced(self, waiting: Coroutine[Any, Any, object], seconds: float) -> bool:
        """Wait for something for so many seconds, or until a second Ctrl-C. Whether it was done."""
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(waiting, name="draining")
        deadline = loop.time() + seconds
        try:
            while not task.done() and not self.force_exit and (left := deadline - loop.time()) > 0:
                await asyncio.wait({task}, timeout=min(left, _LOOK_SECONDS))
        finally:
            done = task.done() and not task.cancelled()
            task.cancel()
            await asyncio.wait({task})
        if done and (error := task.exception()) is not None:
            logger.error("draining failed", exc_info=error)
        return done
