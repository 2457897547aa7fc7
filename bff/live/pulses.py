"""What a hub knows of relays in other processes: that one has lately said that it follows."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from bff.broadcast.port import RESYNC, Broadcast, Message
from bff.errors import BroadcastError
from bff.values import dump_document

__all__ = ["PULSE_SECONDS", "TRUSTED_SECONDS", "Pulses", "pulse"]

PULSE_SECONDS = 1.0
"""How often a relay that follows says so."""

TRUSTED_SECONDS = 3.0
"""For how long it is believed: so old may be what is answered when the server between the two falls silent."""


def pulse(as_of: int) -> Message:
    """What a relay says: that it follows, and has announced everything up to this timepoint. One supersedes another."""
    return Message("pulse", dump_document({"as_of": as_of}))


class Pulses:
    """A Liveness: following while pulses come, and not for longer than ``seconds`` after the last.

    They come over the connection that the announcements come over. After a silence, ``on_return`` is called: what was said before
    it may be missing.
    """

    def __init__(
        self,
        broadcast: Broadcast,
        channel: str,
        on_subscribed: Callable[[], None],
        on_return: Callable[[], None],
        seconds: float = TRUSTED_SECONDS,
    ) -> None:
        self.gaps = 0
        self._broadcast = broadcast
        self._channel = channel
        self._on_subscribed = on_subscribed
        self._on_return = on_return
        self._seconds = seconds
        self._until: float | None = None

    @property
    def following(self) -> bool:
        return self._until is not None and monotonic() < self._until

    async def run(self) -> None:
        """Listen for as long as the subscription lasts."""
        async with self._broadcast.subscribe(self._channel) as subscription:
            self._on_subscribed()
            async for message in subscription:
                if message is not RESYNC:
                    self._hear()
        raise BroadcastError(f"the subscription to {self._channel} ended")

    def _hear(self) -> None:
        returned = self._until is not None and not self.following
        self._until = monotonic() + self._seconds
        if returned:
            self.gaps += 1
            self._on_return()
