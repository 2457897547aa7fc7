"""``/healthz``: the process is up. ``/readyz``: what it needs answers, check by check."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bff.together import together

__all__ = ["Check", "CheckResult", "Health"]

logger = logging.getLogger("bff.serving")


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found; ``details`` is JSON and goes out as it is."""

    ok: bool
    details: Mapping[str, Any] = field(default_factory=dict)


CheckRun: TypeAlias = Callable[[], Awaitable[CheckResult | None]]


@dataclass(frozen=True, slots=True)
class Check:
    """A named question to a part. ``run`` answers within ``seconds``, raises where the part is broken; None means well."""

    name: str
    run: CheckRun
    seconds: float = 2.0


class Health:
    """The two endpoints. Checks run at the same time; what one raises is logged, and its text is not shown. One that fails says
    since when."""

    def __init__(self, checks: Sequence[Check] = ()) -> None:
        names = [check.name for check in checks]
        if len(set(names)) != len(names):
            raise ValueError(f"two health checks have one name: {sorted(names)}")
        self._checks = tuple(checks)
        self._failing: dict[str, datetime] = {}
        self._draining: datetime | None = None

    def drain(self) -> None:
        """The process is about to end: from now on it is not ready, whatever the checks say."""
        self._draining = self._draining or datetime.now(UTC)

    def routes(self) -> list[Route]:
        return [Route("/healthz", self.healthz, methods=["GET"]), Route("/readyz", self.readyz, methods=["GET"])]

    async def healthz(self, request: Request) -> Response:
        return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})

    async def readyz(self, request: Request) -> Response:
        results = await self.results()
        ready = self._draining is None and all(result.ok for result in results.values())
        body: dict[str, Any] = {
            "ready": ready,
            **({} if self._draining is None else {"draining": {"since": self._draining.isoformat()}}),
            "checks": {name: {"ok": result.ok, **result.details} for name, result in results.items()},
        }
        headers = {"Cache-Control": "no-store", "Content-Type": "application/json"}
        return Response(orjson.dumps(body, default=str), 200 if ready else 503, headers)

    async def results(self) -> dict[str, CheckResult]:
        """Run every check."""
        found = await together(*(self._run(check) for check in self._checks))
        return {check.name: result for check, result in zip(self._checks, found, strict=True)}

    async def _run(self, check: Check) -> CheckResult:
        try:
            async with asyncio.timeout(check.seconds):
                result = await check.run() or CheckResult(True)
        except TimeoutError as error:
            return self._failed(check, error, f"no answer within {check.seconds:g} s")
        except Exception as error:
            return self._failed(check, error, "the check failed, see the log")
        if result.ok:
            self._failing.pop(check.name, None)
            return result
        return CheckResult(False, {**result.details, "since": self._since(check)})

    def _failed(self, check: Check, error: Exception, text: str) -> CheckResult:
        # Logged once an outage: probes come every few seconds.
        if check.name not in self._failing:
            logger.warning("health check %s failed", check.name, exc_info=error)
        return CheckResult(False, {"error": text, "since": self._since(check)})

    def _since(self, check: Check) -> str:
        """When it was first found that a check fails."""
        return self._failing.setdefault(check.name, datetime.now(UTC)).isoformat()
