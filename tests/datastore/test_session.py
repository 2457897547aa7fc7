"""Models over a datastore: directly, and in transactions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import bff
from bff import DomainModel, Ref
from bff.datastore.port import Set
from bff.errors import BadUserInput, Conflict, DatastoreError

pytestmark = pytest.mark.anyio


class Account(DomainModel, collection="accounts"):
    owner: str
    balance: int = 0
    tags: list[str] = []


class SavingsAccount(Account):
    rate: float = 0.01


class Transfer(DomainModel, collection="transfers"):
    source: Ref[Account]
    amount: int


async def test_what_is_saved_is_read_back(datastore_url: str) -> None:
    async with bff.connect(datastore_url):
        await SavingsAccount(id="a", owner="Ada", balance=3, tags=["x"]).save()
        found = await Account.get("a")
        assert isinstance(found, SavingsAccount)
        assert (found.owner, found.balance, found.tags, found.rate) == ("Ada", 3, ["x"], 0.01)
        assert await Account.get("nobody") is None
        await found.delete()
        assert await Account.get("a") is None


async def test_a_new_document_takes_no_id_that_is_taken(datastore_url: str) -> None:
    async with bff.connect(datastore_url):
        await Account.new(id="a", owner="Ada").save()
        with pytest.raises(Conflict):
            await Account.new(id="a", owner="Bob").save()
        with pytest.raises(Conflict):
            async with bff.connect(datastore_url):
                await bff.transaction(Account.new(id="a", owner="Eve").save)
        found = await Account.get("a")
        assert found is not None
        assert found.owner == "Ada"


async def test_saving_writes_what_changed_and_nothing_else(datastore_url: str) -> None:
    """Two people change different fields of one document: both changes stay, and so do fields the class does not know."""
    async with bff.connect(datastore_url) as datastore:
        await datastore.commit([Set("accounts/a", {"owner": "Ada", "balance": 1, "legacy": {"kept": True}})])
        first, second = await Account.get("a"), await Account.get("a")
        assert first is not None
        assert second is not None
        first.balance = 5
        second.tags.append("vip")
        await first.save()
        await second.save()
        async with datastore.snapshot() as snapshot:
            [stored] = await snapshot.get(["accounts/a"])
        assert stored.data is not None
        assert (stored.data["balance"], stored.data["tags"], stored.data["legacy"]) == (5, ["vip"], {"kept": True})


async def test_a_document_deleted_meanwhile_does_not_come_back_in_half(datastore_url: str) -> None:
    async with bff.connect(datastore_url):
        await Account(id="a", owner="Ada").save()
        mine, theirs = await Account.get("a"), await Account.get("a")
        assert mine is not None
        assert theirs is not None
        await theirs.delete()
        mine.balance = 7
        with pytest.raises(Conflict):
            await mine.save()
        assert await Account.get("a") is None


async def test_a_transaction_saves_what_changed_by_itself(datastore_url: str) -> None:
    async with bff.connect(datastore_url):
        await Account(id="a", owner="Ada", balance=10).save()
        await Account(id="b", owner="Bob").save()

        async def pay() -> str:
            a, b = await Account.get("a"), await Account.get("b")
            assert a is not None
            assert b is not None
            assert await Account.get("a") is a, "one document is one object"
            a.balance -= 4
            b.balance += 4
            await Transfer.new(source=a.ref, amount=4).save()
            assert [found.balance async for found in Account.where(owner="Bob")] == [4], "it reads its own writes"
            return a.owner

        assert await bff.transaction(pay) == "Ada"
        assert [account.balance for account in await Account.get_many(["a", "b"]) if account] == [6, 4]
        assert [transfer.amount async for transfer in Transfer.all()] == [4]


async def test_nothing_of_a_transaction_that_raises_is_saved(datastore_url: str) -> None:
    async with bff.connect(datastore_url):
        await Account(id="a", owner="Ada", balance=10).save()

        async def fail() -> None:
            a = await Account.get("a")
            assert a is not None
            a.balance = 0
            await a.save()
            await Account.new(owner="Eve").save()
            raise LookupError

        with pytest.raises(LookupError):
            await bff.transaction(fail)
        assert [(found.owner, found.balance) async for found in Account.all()] == [("Ada", 10)]


async def test_a_deletion_is_seen_within_its_transaction(datastore_url: str) -> None:
    async with bff.connect(datastore_url):
        await Account(id="a", owner="Ada", balance=10).save()

        async def close() -> None:
            a = await Account.get("a")
            assert a is not None
            a.balance = 0
            await a.delete()
            assert await Account.get("a") is None
            assert [found async for found in Account.all()] == []
            await Account.new(id="a", owner="Bob").save()

        await bff.transaction(close)
        assert [(found.owner, found.balance) async for found in Account.all()] == [("Bob", 0)]


async def test_transactions_that_meet_all_take_effect(datastore_url: str) -> None:
    """Optimistic: each is tried again until it was alone. None is lost, none takes effect twice."""
    async with bff.connect(datastore_url):
        await Account(id="a", owner="Ada").save()

        async def deposit() -> None:
            a = await Account.get("a")
            assert a is not None
            a.balance += 1

        async def deposits() -> None:
            for _ in range(5):
                await bff.transaction(deposit)

        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(deposits())
        found = await Account.get("a")
        assert found is not None
        assert found.balance == 40


async def test_a_decision_on_a_query_is_not_overtaken(datastore_url: str) -> None:
    """Write skew: two transactions that each see one seat free and take it. One of them must see the other's."""
    async with bff.connect(datastore_url):

        async def take() -> bool:
            if len([seat async for seat in Account.where(owner="seat")]) >= 1:
                return False
            await Account.new(owner="seat").save()
            return True

        taken = await asyncio.gather(*(bff.transaction(take) for _ in range(4)))
        assert sorted(taken) == [False, False, False, True]
        assert len([seat async for seat in Account.where(owner="seat")]) == 1


async def test_a_transaction_within_another_is_part_of_it(datastore_url: str) -> None:
    async with bff.connect(datastore_url):

        async def inner() -> None:
            await Account.new(id="inner", owner="x").save()

        async def outer() -> None:
            await bff.transaction(inner)
            raise LookupError

        with pytest.raises(LookupError):
            await bff.transaction(outer)
        assert await Account.get("inner") is None


async def test_a_save_looks_at_what_it_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a transaction that saves a thousand documents costs does not grow with their square."""
    looked = 0
    changes = Account.changes

    def counted(account: Account) -> Any:
        nonlocal looked
        looked += 1
        return changes(account)

    monkeypatch.setattr(Account, "changes", counted)

    async def open_accounts() -> None:
        for number in range(50):
            await Account(id=f"a{number}", owner="Ada").save()

    async with bff.connect("sqlite://"):
        await bff.transaction(open_accounts)
        assert len(await Account.all().list()) == 50
    assert looked <= 200


@pytest.mark.parametrize("id", ["", ".", "..", "a/b", "__x__", "x" * 1501, "\ud800", "a\x00b"])
async def test_what_is_no_id_is_refused(id: str) -> None:
    async with bff.connect("sqlite://"):
        with pytest.raises(BadUserInput):
            await Account.get(id)


async def test_without_a_datastore_a_read_says_what_to_do() -> None:
    with pytest.raises(DatastoreError, match=r"async with bff\.connect"):
        await Account.get("a")
