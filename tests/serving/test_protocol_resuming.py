"""PROTOCOL.md, Resuming and patches: the same on every transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import jsonpatch
import pytest

from bff.serving.asgi import graphql_app
from bff.serving.documents import Documents
from bff.serving.limits import Limits
from bff.serving.operations import Operations
from bff.serving.session import Session
from tests.serving.test_protocol_bounds import SlowPeer
from tests.serving.versioned import VersionedHarbour
from tests.transports import TRANSPORTS, Next, subscribed

pytestmark = pytest.mark.anyio

Subscribe = Callable[..., AbstractAsyncContextManager[Next]]

ANYTHINGS = 'subscription { anythings(topic: "a") }'


@pytest.fixture
def harbour() -> VersionedHarbour:
    return VersionedHarbour()


@pytest.fixture(params=TRANSPORTS)
def subscribe(request: pytest.FixtureRequest, harbour: VersionedHarbour) -> Subscribe:
    """Subscribe over one transport after the other."""

    @asynccontextmanager
    async def subscribe(query: str, asked: Mapping[str, Any] | None = None, **limits: Any) -> AsyncIterator[Next]:
        app = graphql_app(harbour.schema, harbour.context, limits=Limits(**limits))
        async with subscribed(request.param, app, query, asked) as result:
            yield result
        await harbour.until(lambda: harbour.open == 0)

    return subscribe


def whole(value: Any, version: int) -> dict[str, Any]:
    return {"data": {"anythings": value}, "extensions": {"bff": {"version": str(version)}}}


def patch_of(result: dict[str, Any], start: int, version: int) -> list[dict[str, Any]]:
    told = result["extensions"]["bff"]
    assert "data" not in result
    assert (told["from"], told["version"]) == (str(start), str(version))
    operations: list[dict[str, Any]] = told["patch"]
    return operations


LONG = {"name": "Vega", "cargo": [{"box": number, "tons": 1} for number in range(20)]}


async def test_r49_what_the_client_holds_is_not_sent(subscribe: Subscribe, harbour: VersionedHarbour) -> None:
    for version in (3, 4, 5, 6):
        harbour.tell("a", version, version)
    async with subscribe(ANYTHINGS, {"since": "4"}) as result:
        assert await result() == whole(5, 5)
        assert await result() == whole(6, 6)


async def test_r49_nothing_is_left_out_after_the_first_that_is_newer(subscribe: Subscribe, harbour: VersionedHarbour) -> None:
    for version in (5, 3):
        harbour.tell("a", version, version)
    async with subscribe(ANYTHINGS, {"since": "4"}) as result:
        assert await result() == whole(5, 5)
        assert await result() == whole(3, 3)


async def test_r50_the_first_result_is_whole_and_the_next_ones_are_patches(
    subscribe: Subscribe, harbour: VersionedHarbour
) -> None:
    later = {**LONG, "name": "Wega"}
    async with subscribe(ANYTHINGS, {"patch": True}) as result:
        harbour.tell("a", 1, LONG)
        first = await result()
        assert first == whole(LONG, 1)
        harbour.tell("a", 2, later)
        operations = patch_of(await result(), 1, 2)
        assert operations == [{"op": "replace", "path": "/anythings/name", "value": "Wega"}]
        harbour.tell("a", 3, LONG)
        operations += patch_of(await result(), 2, 3)
        assert jsonpatch.apply_patch(first["data"], operations) == {"anythings": LONG}
        harbour.tell("a", 4, LONG)
        assert patch_of(await result(), 3, 4) == []


async def test_r50_without_the_wish_there_are_no_patches(subscribe: Subscribe, harbour: VersionedHarbour) -> None:
    for version in (1, 2):
        harbour.tell("a", version, LONG)
    async with subscribe(ANYTHINGS) as result:
        assert [await result() for _ in range(2)] == [{"data": {"anythings": LONG}}] * 2


@pytest.mark.parametrize(
    "what",
    ["errors", "no version", "a patch that is longer", "a result that is too long"],
)
async def test_r51_what_the_client_cannot_patch_is_whole(subscribe: Subscribe, harbour: VersionedHarbour, what: str) -> None:
    limits = {"patch_bytes": 100} if what == "a result that is too long" else {}
    query = 'subscription { ship(topic: "a") { name captain } }' if what == "errors" else ANYTHINGS
    async with subscribe(query, {"patch": True}, **limits) as result:
        for version in (1, 2, 3):
            value: Any = LONG
            if what == "a patch that is longer":
                value = version
            harbour.tell("a", None if what == "no version" else version, value)
            sent = await result()
            assert "data" in sent
            assert "patch" not in sent.get("extensions", {}).get("bff", {})


async def test_r51_after_a_resume_with_another_version_the_first_is_whole(
    subscribe: Subscribe, harbour: VersionedHarbour
) -> None:
    for version in (3, 5, 6):
        harbour.tell("a", version, LONG)
    async with subscribe(ANYTHINGS, {"since": "4", "patch": True}) as result:
        assert await result() == whole(LONG, 5)
        assert patch_of(await result(), 5, 6) == []


async def test_r52_after_a_resume_with_the_present_version_the_next_is_a_patch(
    subscribe: Subscribe, harbour: VersionedHarbour
) -> None:
    harbour.tell("a", 4, LONG)
    harbour.tell("a", 5, {**LONG, "name": "Wega"})
    async with subscribe(ANYTHINGS, {"since": "4", "patch": True}) as result:
        assert patch_of(await result(), 4, 5) == [{"op": "replace", "path": "/anythings/name", "value": "Wega"}]


async def test_r53_no_result_is_replaced_where_patches_are_asked_for(harbour: VersionedHarbour) -> None:
    bounds = Limits()
    operations = Operations(harbour.schema, harbour.context, Documents(harbour.schema, bounds))
    peer = SlowPeer()
    session = asyncio.create_task(Session(peer, operations, bounds).run())
    peer.say("connection_init")
    await peer.read()
    query = 'subscription { states(topic: "a") }'
    peer.say("subscribe", id="1", payload={"query": query, "extensions": {"bff": {"patch": True}}})
    text = "x" * 200
    for version in range(10):
        harbour.tell("a", version, f"{text}{version}")
    results = [(await peer.read())["payload"] for _ in range(10)]
    data = results[0]["data"]
    for number, result in enumerate(results[1:], 1):
        told = result["extensions"]["bff"]
        data = jsonpatch.apply_patch(data, told["patch"]) if "patch" in told else result["data"]
        assert data == {"states": f"{text}{number}"}
    peer.incoming.put_nowait(None)
    async with asyncio.timeout(10):
        await session
