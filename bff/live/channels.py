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
    ``code`` tells relays of different code apart, where that stores views beside those of others (``Catalog.beside``): each
    announces its own only.
    """

    namespace: str = "bff"
    shards: int = 8
    code: str = ""

    def of(self, storage: str, key: str) -> str:
        return self._name(storage, zlib.crc32(key.encode(errors="replace")) % self.shards)

    @property
    def pulse(self) -> str:
        """Where relays say that they follow. No view has this name: theirs begin with a capital letter."""
        return f"{self.namespace}.pulse.{self.code}" if self.code else f"{self.namespace}.pulse"

    def all(self, storage: str) -> tuple[str, ...]:
        return tuple(self._name(storage, shard) for shard in range(self.shards))

    def _name(self, storage: str, shard: int) -> str:
        return f"{self.namespace}.view.{storage}.{shard}"
