"""The names of the channels: one for each view and shard of its keys."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

__all__ = ["Channels"]


@dataclass(frozen=True, slots=True)
class Channels:
    """``bff.view.MeetingSession.3``. Relay and hubs must agree on both.

    ``namespace`` keeps applications apart that share a server: a Redis server's channels are common to all its databases.
    ``shards`` is in how many channels a view's keys are divided: a process listens to those that somebody looks at.
    """

    namespace: str = "bff"
    shards: int = 8

    def of(self, view: str, key: str) -> str:
        return self._name(view, zlib.crc32(key.encode(errors="replace")) % self.shards)

    @property
    def pulse(self) -> str:
        """Where relays say that they follow. No view has this name: theirs begin with a capital letter."""
        return f"{self.namespace}.pulse"

    def all(self, view: str) -> tuple[str, ...]:
        return tuple(self._name(view, shard) for shard in range(self.shards))

    def _name(self, view: str, shard: int) -> str:
        return f"{self.namespace}.view.{view}.{shard}"
