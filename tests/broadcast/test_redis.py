"""redis:// is a Broadcast."""

from __future__ import annotations

import pytest

from bff.broadcast.connect import open_broadcast
from bff.broadcast.port import Broadcast
from bff.testing.broadcast_conformance import BroadcastConformance


class TestRedis(BroadcastConformance):
    @pytest.fixture(autouse=True)
    def server(self, redis_url: str) -> None:
        self.url = redis_url

    def open(self) -> Broadcast:
        return open_broadcast(self.url)
