"""How long the client of a socket may be silent."""

from __future__ import annotations

import asyncio
from typing import Any

from bff.serving import messages
from bff.serving.limits import Limits
from bff.serving.messages import CloseCode
from bff.serving.outbox import Outbox
from bff.serving.wire import Ending, Ends

__all__ = ["Keepalive"]


class Keepalive:
    """Ends a session whose client does not ask for it within ``init_seconds``, or does not answer a ping.

    One timer: of the initialisation until ``start``, then of the next ping, then of its answer. Whoever reads the socket sets
    ``heard_at``, in the loop's seconds, with each message; a message costs no more than that.
    """

    __slots__ = ("_ends", "_limits", "_loop", "_outbox", "_timer", "heard_at")

    def __init__(self, limits: Limits, outbox: Outbox[Any], ends: Ends) -> None:
        self._limits = limits
        self._outbox = outbox
        self._ends = ends
        self._loop = asyncio.get_running_loop()
        self.heard_at = 0.0
        self._timer = self._loop.call_later(limits.init_seconds, self._late)

    def start(self) -> None:
        """The session is acknowledged: from here on, ask a client that has been silent whether it is still there."""
        self._timer.cancel()
        self._keep_time()

    def stop(self) -> None:
        """Nothing is called any more."""
        self._timer.cancel()

    def _late(self) -> None:
        self._ends.end(Ending(CloseCode.TIMEOUT, "Connection initialisation timeout", limit="init_seconds"))

    def _keep_time(self) -> None:
        due = self.heard_at + self._limits.ping_seconds
        if self._loop.time() < due:
            self._timer = self._loop.call_at(due, self._keep_time)
            return
        self._outbox.control(messages.ping())
        self._timer = self._loop.call_later(self._limits.pong_seconds, self._await_pong, self.heard_at)

    def _await_pong(self, heard_at: float) -> None:
        if self.heard_at == heard_at:
            self._ends.end(Ending(CloseCode.TIMEOUT, "No answer to a ping", limit="pong_seconds"))
        else:
            self._keep_time()
