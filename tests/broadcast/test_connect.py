"""Which broadcast a URL names."""

from __future__ import annotations

import sys

import pytest

from bff.broadcast.connect import open_broadcast
from bff.errors import SettingsError


def test_a_scheme_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(SettingsError, match=r"'kafka' is no broadcast: use memory://, redis://"):
        open_broadcast("kafka://localhost")


def test_without_the_redis_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("bff.broadcast.redis", "bff.broadcast.redis_link"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(SettingsError, match=r"redis:// needs the redis package: pip install 'bff\[redis\]'"):
        open_broadcast("redis://localhost")


@pytest.mark.parametrize("url", ["redis://localhost:port", "redis://localhost?socket_timeout=soon", "redis://localhost?x=1"])
def test_a_redis_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="redis://localhost"):
        open_broadcast(url)


def test_urls_are_shown_without_secrets() -> None:
    assert open_broadcast("rediss://user:secret@cache:6380/1?password=secret").url == "rediss://cache:6380/1"
    assert open_broadcast("memory://").url == "memory://"
