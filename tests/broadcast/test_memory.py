"""memory:// is a Broadcast."""

from __future__ import annotations

from bff.broadcast.connect import open_broadcast
from bff.broadcast.port import Broadcast
from bff.testing.broadcast_conformance import BroadcastConformance


class TestMemory(BroadcastConformance):
    def open(self) -> Broadcast:
        return open_broadcast("memory://")
