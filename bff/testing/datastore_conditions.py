"""Commits on a condition: preconditions, what was expected to be as it was read, and writers in each other's way."""

from __future__ import annotations

import asyncio
import random

import pytest

from bff.datastore.port import (
    Datastore,
    Delete,
    Expectation,
    ExpectDocument,
    ExpectQuery,
    Merge,
    Precondition,
    Set,
    Write,
)
from bff.document import Document
from bff.errors import Conflict
from bff.query import Compare, Op, Order, Query
from bff.testing.datastore_case import DatastoreCase, data_of, get, query

__all__ = ["ConditionsConformance", "increment"]


async def increment(datastore: Datastore, path: str) -> None:
    """An optimistic increment: read, write if nobody else has, else again."""
    while True:
        [document] = await get(datastore, path)
        count = (document.data or {}).get("count", 0)
        assert isinstance(count, int)
        try:
            await datastore.commit(
                [Merge(path, {"count": count + 1})], [ExpectDocument(path, document.update_time if document.exists else None)]
            )
        except Conflict:
            await asyncio.sleep(random.uniform(0, 0.02))
        else:
            return


class ConditionsConformance(DatastoreCase):
    @pytest.mark.parametrize("write", [Set("users/a", {"x": 2}), Merge("users/a", {"x": 2}), Delete("users/a")], ids=str)
    @pytest.mark.parametrize("there", [True, False])
    async def test_exists_preconditions(self, datastore: Datastore, write: Write, there: bool) -> None:
        if there:
            await datastore.commit([Set("users/a", {"x": 1})])
        before = await data_of(datastore, "users/a")
        with pytest.raises(Conflict):
            await datastore.commit([Set("users/b", {"x": 1}), conditional(write, Precondition(exists=not there))])
        assert await data_of(datastore, "users/b") is None
        assert await data_of(datastore, "users/a") == before
        await datastore.commit([conditional(write, Precondition(exists=there))])
        assert await data_of(datastore, "users/a") == (None if isinstance(write, Delete) else {"x": 2})

    @pytest.mark.parametrize("write", [Set("users/a", {"x": 3}), Merge("users/a", {"x": 3}), Delete("users/a")], ids=str)
    async def test_update_time_preconditions(self, datastore: Datastore, write: Write) -> None:
        first = await datastore.commit([Set("users/a", {"x": 1})])
        second = await datastore.commit([Set("users/a", {"x": 2})])
        with pytest.raises(Conflict):
            await datastore.commit([conditional(write, Precondition(update_time=first.timepoint))])
        assert await data_of(datastore, "users/a") == {"x": 2}
        await datastore.commit([conditional(write, Precondition(update_time=second.timepoint))])
        assert await data_of(datastore, "users/a") == (None if isinstance(write, Delete) else {"x": 3})

    async def test_an_update_time_precondition_on_an_absent_document_fails(self, datastore: Datastore) -> None:
        first = await datastore.commit([Set("users/a", {"x": 1})])
        await datastore.commit([Delete("users/a")])
        with pytest.raises(Conflict):
            await datastore.commit([Merge("users/a", {"x": 2}, precondition=Precondition(update_time=first.timepoint))])

    async def test_expected_documents(self, datastore: Datastore) -> None:
        first = await datastore.commit([Set("users/a", {"x": 1})])
        asis: list[Expectation] = [ExpectDocument("users/a", first.timepoint), ExpectDocument("users/nobody", None)]
        await datastore.commit([Set("users/b", {"n": 1})], asis)
        second = await datastore.commit([Set("users/a", {"x": 2})])
        for wrong in (
            ExpectDocument("users/a", first.timepoint),
            ExpectDocument("users/a", None),
            ExpectDocument("users/nobody", second.timepoint),
        ):
            with pytest.raises(Conflict):
                await datastore.commit([Set("users/b", {"n": 2})], [wrong])
        assert await data_of(datastore, "users/b") == {"n": 1}
        await datastore.commit([Delete("users/a")])
        with pytest.raises(Conflict):
            await datastore.commit([Set("users/b", {"n": 3})], [ExpectDocument("users/a", second.timepoint)])
        await datastore.commit([Set("users/b", {"n": 3})], [ExpectDocument("users/a", None)])

    async def test_an_expected_document_may_be_written_by_the_same_commit(self, datastore: Datastore) -> None:
        first = await datastore.commit([Set("users/a", {"x": 1})])
        await datastore.commit([Merge("users/a", {"x": 2})], [ExpectDocument("users/a", first.timepoint)])
        await datastore.commit([Set("users/b", {"x": 1})], [ExpectDocument("users/b", None)])
        with pytest.raises(Conflict):
            await datastore.commit([Delete("users/b")], [ExpectDocument("users/b", None)])
        assert await data_of(datastore, "users/b") == {"x": 1}

    async def test_expected_queries(self, datastore: Datastore) -> None:
        await datastore.commit([Set("users/a", {"n": 1}), Set("users/b", {"n": 2}), Set("users/c", {"n": 3})])
        asked = Query("users", Compare("n", Op.GE, 2), (Order("n"),))

        def seen(found: list[Document]) -> ExpectQuery:
            return ExpectQuery(asked, tuple((document.path, document.update_time) for document in found))

        before = seen(await query(datastore, asked))
        await datastore.commit([Set("log/1", {}), Merge("users/a", {"n": 0})], [before])
        for change in (Merge("users/a", {"n": 9}), Merge("users/b", {"extra": 1}), Delete("users/c"), Set("users/d", {"n": 5})):
            before = seen(await query(datastore, asked))
            await datastore.commit([change])
            with pytest.raises(Conflict):
                await datastore.commit([Set("log/2", {})], [before])
        assert await data_of(datastore, "log/2") is None
        await datastore.commit([Set("log/2", {})], [seen(await query(datastore, asked))])

    async def test_two_that_expect_the_same_query_to_be_empty_do_not_both_win(self, datastore: Datastore) -> None:
        asked = Query("bookings", Compare("room", Op.EQ, "R1"))

        async def book(name: str) -> bool:
            expected = ExpectQuery(asked, tuple((found.path, found.update_time) for found in await query(datastore, asked)))
            if expected.results:
                return False
            try:
                await datastore.commit([Set(f"bookings/{name}", {"room": "R1"})], [expected])
            except Conflict:
                return False
            return True

        booked = await asyncio.gather(*(book(f"b{n}") for n in range(8)))
        assert sum(booked) == len(await query(datastore, asked)) <= 1

    async def test_concurrent_optimistic_increments_all_count(self, datastore: Datastore) -> None:
        async def worker() -> None:
            for _ in range(10):
                await increment(datastore, "counters/c")

        await asyncio.gather(*(worker() for _ in range(16)))
        assert await data_of(datastore, "counters/c") == {"count": 160}

    async def test_concurrent_creations_of_one_document_succeed_once(self, datastore: Datastore) -> None:
        async def create(n: int) -> bool:
            try:
                await datastore.commit([Set("locks/l", {"owner": n}, Precondition(exists=False))])
            except Conflict:
                return False
            return True

        assert sum(await asyncio.gather(*(create(n) for n in range(12)))) == 1


def conditional(write: Write, precondition: Precondition) -> Write:
    if isinstance(write, Delete):
        return Delete(write.path, precondition)
    if isinstance(write, Merge):
        return Merge(write.path, write.data, write.remove, precondition)
    return Set(write.path, write.data, precondition)
