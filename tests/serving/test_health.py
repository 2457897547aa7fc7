"""/healthz and /readyz."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from bff.serving.health import Check, CheckResult, Health

pytestmark = pytest.mark.anyio


async def get(path: str, *checks: Check) -> tuple[int, Any]:
    app = Starlette(routes=Health(checks).routes())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
        response = await client.get(path)
        return response.status_code, response.json() if path == "/readyz" else response.text


async def well() -> CheckResult:
    return CheckResult(True, {"asOf": 5})


async def ill() -> CheckResult:
    return CheckResult(False, {"stale": ["m1"]})


async def silent() -> None:
    return None


async def broken() -> None:
    raise ConnectionError("postgres://user:secret@host")


async def hanging() -> None:
    await asyncio.Event().wait()


async def test_the_process_is_up() -> None:
    assert await get("/healthz", Check("bad", broken)) == (200, "ok\n")


async def test_ready_when_all_checks_say_so() -> None:
    assert await get("/readyz", Check("projector", well), Check("relay", silent)) == (
        200,
        {"ready": True, "checks": {"projector": {"ok": True, "asOf": 5}, "relay": {"ok": True}}},
    )
    assert await get("/readyz") == (200, {"ready": True, "checks": {}})


async def test_not_ready_when_one_does_not() -> None:
    status, body = await get("/readyz", Check("projector", ill), Check("relay", well))
    assert status == 503
    assert body["checks"]["projector"].pop("since")
    assert body == {
        "ready": False,
        "checks": {"projector": {"ok": False, "stale": ["m1"]}, "relay": {"ok": True, "asOf": 5}},
    }


async def test_what_a_check_raises_is_logged_once_an_outage_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    health = Health([Check("db", broken)])
    results = [await health.results() for _ in range(3)]
    since = results[0]["db"].details["since"]
    assert results == [{"db": CheckResult(False, {"error": "the check failed, see the log", "since": since})}] * 3
    assert caplog.text.count("health check db failed") == 1
    assert "postgres://" in caplog.text


async def test_a_check_that_hangs_delays_nobody_for_long() -> None:
    status, body = await get("/readyz", *(Check(f"slow{number}", hanging, 0.02) for number in range(20)), Check("relay", well))
    assert status == 503
    assert body["checks"]["slow0"].pop("since")
    assert body["checks"]["slow0"] == {"ok": False, "error": "no answer within 0.02 s"}
    assert body["checks"]["relay"]["ok"]


def test_two_checks_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="one name"):
        Health([Check("a", well), Check("a", ill)])


async def test_a_check_that_fails_says_since_when_until_it_is_well() -> None:
    results = [CheckResult(False), CheckResult(False), CheckResult(True), CheckResult(False)]
    waiting = iter(results)

    async def run() -> CheckResult:
        return next(waiting)

    health = Health([Check("relay", run)])
    found = [(await health.results())["relay"].details.get("since") for _ in results]
    assert found[0] == found[1] is not None
    assert found[2] is None
    assert found[3] not in (None, found[0])


async def test_a_process_that_is_about_to_end_is_not_ready() -> None:
    health = Health([Check("relay", well)])
    app = Starlette(routes=health.routes())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
        assert (await client.get("/readyz")).json() == {"ready": True, "checks": {"relay": {"ok": True, "asOf": 5}}}
        health.drain()
        response = await client.get("/readyz")
        assert response.status_code == 503
        body = response.json()
        assert body.pop("draining")["since"]
        assert body == {"ready": False, "checks": {"relay": {"ok": True, "asOf": 5}}}
        assert (await client.get("/healthz")).status_code == 200
