"""Where the keys of an issuer come from: fetched over HTTPS, kept, and fetched again when they may have changed."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from bff.auth.keys import Key, fetched_keys
from bff.auth.port import IssuerUnavailable
from bff.errors import SettingsError

__all__ = ["Fetched", "FetchedKeys", "GivenKeys", "fetch"]

logger = logging.getLogger("bff.auth")

_MAX_BYTES: Final = 512 * 1024
_LONGEST_SECONDS: Final = 24 * 3600.0
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_MAX_AGE: Final = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?(\d{1,9})")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What the issuer's address has; ``max_age`` is how long that may be kept, in seconds, where it says so."""

    body: bytes
    max_age: float | None


class GivenKeys:
    """Keys of a setting: they never change."""

    changes = 0
    """How often they have changed."""

    def __init__(self, keys: tuple[Key, ...]) -> None:
        self._keys = keys

    async def find(self, kid: str | None) -> tuple[Key, ...]:
        """Those that a token with this kid may be signed with: of that kid, or without any."""
        return tuple(key for key in self._keys if kid is None or key.kid is None or key.kid == kid)

    async def close(self) -> None:
        """There is nothing to close."""


class FetchedKeys:
    """The keys at an address.

    They are kept for as long as the answer's ``Cache-Control`` says, or ``cache_seconds``. A kid that is not among them has them
    fetched again, but not within ``refetch_seconds`` of the fetch before: a flood of unknown kids does not reach the issuer. One
    fetch is made at a time, however many wait for it. While the issuer cannot be reached, what was fetched last goes on to
    count, for ``stale_seconds`` at most.
    """

    def __init__(
        self,
        url: str,
        *,
        cache_seconds: float = 600.0,
        refetch_seconds: float = 10.0,
        stale_seconds: float = 24 * 3600.0,
        timeout: float = 5.0,
        get: Callable[[str, float], Awaitable[Fetched]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise SettingsError(f"jwks_url={url!r}: keys that came over plain http could be anybody's; give an https address")
        for name, value in (("cache_seconds", cache_seconds), ("refetch_seconds", refetch_seconds), ("timeout", timeout)):
            if not value > 0:
                raise SettingsError(f"{name}={value!r}: give a positive number of seconds")
        self.url = url
        self.fetches = 0
        """How often the issuer was asked."""
        self.changes = 0
        """How often it has answered: the keys may have been others before."""
        self._cache_seconds = cache_seconds
        self._refetch_seconds = refetch_seconds
        self._stale_seconds = stale_seconds
        self._timeout = timeout
        self._get = get or fetch
        self._clock = clock
        self._keys: dict[str | None, tuple[Key, ...]] = {}
        self._fresh_until = 0.0
        self._usable_until = 0.0
        self._asked_at: float | None = None
        self._failing = False
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str | None) -> tuple[Key, ...]:
        """Those that a token with this kid may be signed with; without a kid, the only one there is.

        Raises IssuerUnavailable where there are no keys that count.
        """
        now = self._clock()
        if now >= self._fresh_until and (self._may_ask(now) or self._fetching is not None):
            # While the issuer is down, only those wait that could not be answered otherwise.
            if self._failing and now < self._usable_until and self._known(kid):
                self._ask()
            else:
                await self._fetched()
        elif now < self._fresh_until and not self._known(kid) and (self._may_ask(now) or self._fetching is not None):
            await self._fetched()
        if not self._keys or self._clock() >= self._usable_until:
            raise IssuerUnavailable("Tokens cannot be checked now.")
        return self._known(kid)

    async def close(self) -> None:
        """Stop what is being fetched."""
        fetching, self._fetching = self._fetching, None
        if fetching is not None:
            fetching.cancel()
            await asyncio.wait({fetching})

    def _known(self, kid: str | None) -> tuple[Key, ...]:
        if kid is not None:
            return self._keys.get(kid, ())
        every = [key for keys in self._keys.values() for key in keys]
        return tuple(every) if len(every) == 1 else ()

    def _may_ask(self, now: float) -> bool:
        return self._asked_at is None or now - self._asked_at >= self._refetch_seconds

    async def _fetched(self) -> None:
        # Whoever waits may go away: the others still wait for it.
        await asyncio.wait({self._ask()})

    def _ask(self) -> asyncio.Task[None]:
        if self._fetching is None:
            self._asked_at = self._clock()
            self.fetches += 1
            self._fetching = asyncio.create_task(self._fetch(), name=f"keys of {self.url}")
        return self._fetching

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                fetched = await self._get(self.url, self._timeout)
            document: Any = orjson.loads(fetched.body)
            if not isinstance(document, dict):
                raise ValueError("it is no JSON object")
            found: dict[str | None, tuple[Key, ...]] = {}
            for key in fetched_keys(document):
                found[key.kid] = (*found.get(key.kid, ()), key)
        except Exception as error:
            self._failing = True
            logger.warning("the keys at %s could not be fetched: %s: %s", self.url, type(error).__name__, error)
            return
        finally:
            self._fetching = None
        age = self._cache_seconds if fetched.max_age is None else fetched.max_age
        now = self._clock()
        self._keys, self._failing = found, False
        self.changes += 1
        self._fresh_until = now + min(max(age, self._refetch_seconds), _LONGEST_SECONDS)
        self._usable_until = self._fresh_until + self._stale_seconds


async def fetch(url: str, timeout: float) -> Fetched:
    """What stands at an address. No redirect is followed. Raises whatever is wrong with it."""
    import httpx

    async with (
        httpx.AsyncClient(timeout=timeout, follow_redirects=False) as client,
        client.stream("GET", url, headers={"Accept": "application/json"}) as response,
    ):
        if response.status_code != 200:
            raise ValueError(f"it answers {response.status_code}")
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > _MAX_BYTES:
                raise ValueError(f"it is longer than {_MAX_BYTES} bytes")
        found = _MAX_AGE.search(response.headers.get("cache-control", "").lower())
        return Fetched(bytes(body), None if found is None else float(found[1]))
