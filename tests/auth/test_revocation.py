"""Revocations: remembered by all processes of an app, told to whoever watches, forgotten when tokens are too old anyway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from bff.auth.revocation import COLLECTION, Revocations, Revoked
from bff.datastore.connect import open_datastore
from bff.datastore.port import Datastore, Delete, Set
from bff.errors import TooLarge
from bff.principal import ANONYMOUS, Principal
from bff.query import Query
from tests.auth.conftest import NOW

pytestmark = pytest.mark.anyio


@pytest.fixture
async def datastore(datastore_url: str) -> AsyncIterator[Datastore]:
    async with open_datastore(datastore_url) as opened:
        yield opened


def ada(issued_at: float | None, tenant: str | None = None) -> Principal:
    return Principal(id="ada", tenant=tenant, issued_at=issued_at)


async def test_tokens_from_before_are_revoked_and_those_from_after_are_not(datastore: Datastore, clock: Any) -> None:
    async with Revocations(datastore, hours=1, clock=clock) as revocations:
        assert not revocations.is_revoked(ada(NOW - 1))
        await revocations.revoke(user="ada")
        assert revocations.is_revoked(ada(NOW - 1))
        assert revocations.is_revoked(ada(NOW)), "a token of the same second may be older"
        assert not revocations.is_revoked(ada(NOW + 1))
        assert revocations.is_revoked(ada(None)), "one that does not say when it was issued may be older"
        assert not revocations.is_revoked(Principal(id="bob", issued_at=1))
        assert not revocations.is_revoked(ANONYMOUS)


@pytest.mark.parametrize(
    ("whom", "revoked"),
    [
        ({"user": "ada"}, {"none", "t1", "t2"}),
        ({"tenant": "t1"}, {"t1", "bob"}),
        ({"user": "ada", "tenant": "t1"}, {"t1"}),
        ({"tenant": "ada"}, set()),
        ({"user": "t1"}, set()),
    ],
    ids=["user", "tenant", "user of a tenant", "tenant of that name", "user of that name"],
)
async def test_a_user_a_tenant_or_a_user_of_a_tenant(
    datastore: Datastore, clock: Any, whom: dict[str, str], revoked: set[str]
) -> None:
    principals = {
        "none": ada(1),
        "t1": ada(1, "t1"),
        "t2": ada(1, "t2"),
        "bob": Principal(id="bob", tenant="t1", issued_at=1),
    }
    async with Revocations(datastore, hours=1, clock=clock) as revocations:
        await revocations.revoke(**whom)
        assert {name for name, one in principals.items() if revocations.is_revoked(one)} == revoked


async def test_another_process_is_told(datastore_url: str) -> None:
    async with AsyncExitStack() as stack:
        here, there = [
            await stack.enter_async_context(Revocations(await stack.enter_async_context(open_datastore(datastore_url)), hours=1))
            for _ in range(2)
        ]
        told: asyncio.Future[Revoked] = asyncio.get_running_loop().create_future()
        ended = asyncio.Event()
        there.on_revoked(told.set_result)
        there.watch(ada(1), ended.set)
        await here.revoke(user="ada")
        async with asyncio.timeout(30):
            await ended.wait()
            assert await told == Revoked("ada", None)
        assert there.is_revoked(ada(1))


async def test_a_process_that_starts_knows_all_there_are(datastore: Datastore, clock: Any) -> None:
    async with Revocations(datastore, hours=1, clock=clock) as first:
        await first.revoke(user="ada")
        await first.revoke(tenant="é/\x00 …")
    clock.now += 1800
    async with Revocations(datastore, hours=1, clock=clock) as second:
        assert second.is_revoked(ada(NOW))
        assert second.is_revoked(Principal(id="x", tenant="é/\x00 …", issued_at=5))
        assert len(second) == 2


async def test_it_is_forgotten_when_every_token_of_then_has_expired(datastore: Datastore, clock: Any) -> None:
    async with Revocations(datastore, hours=1, clock=clock) as revocations:
        await revocations.revoke(user="ada")
        clock.now += 3599
        assert revocations.is_revoked(ada(NOW))
        clock.now += 1
        assert not revocations.is_revoked(ada(NOW))
        await revocations.revoke(user="bob")
        assert len(revocations) == 1


async def test_a_document_says_until_when_it_is_kept(datastore: Datastore, clock: Any) -> None:
    async with Revocations(datastore, hours=1, clock=clock) as revocations:
        await revocations.revoke(user="ada")
        async with datastore.snapshot() as snapshot:
            [document] = await snapshot.query(Query(COLLECTION))
    assert document.data is not None
    assert document.data["expiresAt"] >= datetime.fromtimestamp(NOW + 3600, UTC)  # type: ignore[operator]


async def test_whom_a_later_revocation_is_about_is_told_once_and_those_with_newer_tokens_are_not(
    datastore: Datastore, clock: Any
) -> None:
    called: list[str] = []
    async with Revocations(datastore, hours=1, clock=clock) as revocations:
        revocations.watch(ada(NOW - 1), lambda: called.append("old"))
        revocations.watch(ada(NOW + 1), lambda: called.append("new"))
        forget = revocations.watch(ada(NOW - 2), lambda: called.append("forgotten"))
        forget()
        await revocations.revoke(user="ada")
        assert called == ["old"]
        revocations.watch(ada(NOW - 3), lambda: called.append("late"))
        assert called == ["old", "late"]


async def test_one_that_fails_keeps_no_other_open(datastore: Datastore, clock: Any, caplog: pytest.LogCaptureFixture) -> None:
    called: list[str] = []

    def fail() -> None:
        raise KeyError("oops")

    async with Revocations(datastore, hours=1, clock=clock) as revocations:
        revocations.watch(ada(1), fail)
        revocations.watch(ada(1), lambda: called.append("told"))
        await revocations.revoke(user="ada")
    assert called == ["told"]
    assert "oops" in caplog.text


async def test_cwe_770_there_is_a_bound_and_nobody_is_forgotten_for_it(datastore: Datastore, clock: Any) -> None:
    async with Revocations(datastore, hours=1, most=2, clock=clock) as revocations:
        await revocations.revoke(user="ada")
        await revocations.revoke(user="bob")
        with pytest.raises(TooLarge):
            await revocations.revoke(user="eve")
        await revocations.revoke(user="ada")
        assert revocations.is_revoked(ada(1))
        clock.now += 3600
        await revocations.revoke(user="eve")


@pytest.mark.parametrize("whom", [{}, {"user": ""}, {"user": "ada", "tenant": ""}, {"user": None, "tenant": None}], ids=str)
async def test_somebody_has_to_be_named(datastore: Datastore, whom: dict[str, Any]) -> None:
    async with Revocations(datastore, hours=1) as revocations:
        with pytest.raises(ValueError, match="say whom"):
            await revocations.revoke(**whom)


async def test_a_deleted_document_lets_nobody_in_again(datastore: Datastore, clock: Any) -> None:
    async with Revocations(datastore, hours=1, clock=clock) as revocations:
        await revocations.revoke(user="ada")
        async with datastore.snapshot() as snapshot:
            [document] = await snapshot.query(Query(COLLECTION))
        told = asyncio.Event()
        revocations.on_revoked(lambda whom: told.set())
        await datastore.commit([Delete(document.path)])
        await datastore.commit([Set(f"{COLLECTION}/odd", {"user": 5})])
        later = {"user": "bob", "tenant": None, "before": 5.0, "expiresAt": datetime.fromtimestamp(NOW + 3000, UTC)}
        await datastore.commit([Set(f"{COLLECTION}/later", later)])
        async with asyncio.timeout(30):
            await told.wait()
        assert revocations.is_revoked(ada(1))
