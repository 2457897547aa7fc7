"""A unit of work takes effect as if it had been alone, or not at all."""

from __future__ import annotations

import pytest

from bff.datastore.connect import open_datastore
from bff.datastore.port import Delete, Merge, Set
from bff.datastore.unit_of_work import UnitOfWork
from bff.document import Document
from bff.errors import Conflict, SettingsError
from bff.query import Compare, Op, Order, Query

pytestmark = pytest.mark.anyio

IN_STOCK = Query("books", Compare("stock", Op.GT, 0), (Order("stock"),))


async def test_writes_wait_for_the_commit(datastore_url: str) -> None:
    async with open_datastore(datastore_url) as datastore:
        async with datastore.snapshot() as snapshot:
            unit = UnitOfWork(datastore, snapshot)
            unit.write(Set("books/a", {"stock": 3}))
            async with datastore.snapshot() as outside:
                assert [document.exists for document in await outside.get(["books/a"])] == [False]
            await unit.commit()
        async with datastore.snapshot() as outside:
            assert [document.data for document in await outside.get(["books/a"])] == [{"stock": 3}]


async def test_it_reads_its_own_writes(datastore_url: str) -> None:
    async with open_datastore(datastore_url) as datastore:
        await datastore.commit(
            [Set("books/a", {"stock": 1, "shelf": "x"}), Set("books/b", {"stock": 2}), Set("books/c", {"stock": 3})]
        )
        async with datastore.snapshot() as snapshot:
            unit = UnitOfWork(datastore, snapshot)
            unit.write(Merge("books/a", {"stock": 9}, remove=("shelf",)))
            unit.write(Delete("books/b"))
            unit.write(Set("books/d", {"stock": 2}))
            assert [(found.id, found.data) for found in await unit.query(IN_STOCK)] == [
                ("d", {"stock": 2}),
                ("c", {"stock": 3}),
                ("a", {"stock": 9}),
            ]
            [a, b] = await unit.get(["books/a", "books/b"])
            assert (a.data, b.exists) == ({"stock": 9}, False)


async def test_a_limited_query_is_not_cut_short_by_own_writes(datastore_url: str) -> None:
    async with open_datastore(datastore_url) as datastore:
        await datastore.commit([Set(f"books/{n}", {"stock": n}) for n in range(1, 6)])
        async with datastore.snapshot() as snapshot:
            unit = UnitOfWork(datastore, snapshot)
            unit.write(Delete("books/1"))
            unit.write(Merge("books/2", {"stock": 100}))
            found = await unit.query(Query("books", order_by=(Order("stock"),), limit=2))
            assert [document.id for document in found] == ["3", "4"]


@pytest.mark.parametrize(
    ("read", "meanwhile"),
    [
        ("present", Merge("books/a", {"stock": 0})),
        ("present", Delete("books/a")),
        ("absent", Set("books/z", {"stock": 1})),
        ("query", Set("books/new", {"stock": 1})),
        ("query", Merge("books/a", {"stock": 0})),
        ("query", Merge("books/a", {"shelf": "other"})),
        ("query", Delete("books/a")),
    ],
)
async def test_a_read_that_no_longer_holds_refuses_the_commit(
    datastore_url: str, read: str, meanwhile: Set | Merge | Delete
) -> None:
    async with open_datastore(datastore_url) as datastore:
        await datastore.commit([Set("books/a", {"stock": 1}), Set("books/b", {"stock": 0})])
        async with datastore.snapshot() as snapshot:
            unit = UnitOfWork(datastore, snapshot)
            match read:
                case "present":
                    await unit.get(["books/a"])
                case "absent":
                    await unit.get(["books/z"])
                case _:
                    await unit.query(IN_STOCK)
            unit.write(Set("orders/1", {"placed": True}))
            await datastore.commit([meanwhile])
            with pytest.raises(Conflict):
                await unit.commit()
        async with datastore.snapshot() as after:
            assert [document.exists for document in await after.get(["orders/1"])] == [False]


async def test_what_was_not_read_may_change(datastore_url: str) -> None:
    async with open_datastore(datastore_url) as datastore:
        await datastore.commit([Set("books/a", {"stock": 1}), Set("books/b", {"stock": 0})])
        async with datastore.snapshot() as snapshot:
            unit = UnitOfWork(datastore, snapshot)
            await unit.get(["books/a"])
            await unit.query(IN_STOCK)
            unit.write(Set("orders/1", {"placed": True}))
            await datastore.commit([Merge("books/b", {"shelf": "x"}), Set("authors/x", {"name": "X"})])
            await unit.commit()


async def test_reads_alone_hold_as_they_are(datastore_url: str) -> None:
    async with open_datastore(datastore_url) as datastore:
        await datastore.commit([Set("books/a", {"stock": 1})])
        async with datastore.snapshot() as snapshot:
            unit = UnitOfWork(datastore, snapshot)
            [before] = await unit.get(["books/a"])
            await datastore.commit([Merge("books/a", {"stock": 2})])
            assert await unit.commit() == snapshot.timepoint
            assert await unit.get(["books/a"]) == [before]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (Set("d/x", {"a": 1}), Merge("d/x", {"b": 2}, ("a",)), {"b": 2}),
        (Merge("d/x", {"a": 1}, ("old",)), Merge("d/x", {"old": 3}), {"a": 1, "old": 3, "kept": 0}),
        (Merge("d/x", {"a": 1}), Merge("d/x", {}, ("a",)), {"old": 0, "kept": 0}),
        (Delete("d/x"), Merge("d/x", {"b": 2}), {"b": 2}),
        (Delete("d/x"), Set("d/x", {"b": 2}), {"b": 2}),
        (Merge("d/x", {"a": 1}), Set("d/x", {"b": 2}), {"b": 2}),
        (Set("d/x", {"a": 1}), Delete("d/x"), None),
    ],
)
async def test_two_writes_to_a_document_are_one(
    datastore_url: str, first: Set | Merge | Delete, second: Set | Merge | Delete, expected: dict[str, int] | None
) -> None:
    async with open_datastore(datastore_url) as datastore:
        await datastore.commit([Set("d/x", {"old": 0, "kept": 0})])
        async with datastore.snapshot() as snapshot:
            unit = UnitOfWork(datastore, snapshot)
            unit.write(first)
            unit.write(second)
            assert [document.data for document in await unit.get(["d/x"])] == [expected]
            await unit.commit()
        async with datastore.snapshot() as after:
            assert [document.data for document in await after.get(["d/x"])] == [expected]


@pytest.mark.parametrize("url", ["mysql://x", "nonsense", "", "sqlite", "http://localhost"])
def test_a_url_of_no_datastore_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="is no datastore: use sqlite"):
        open_datastore(url)


def test_a_document_knows_its_place() -> None:
    assert (Document("users/u1/forms/f1", None).collection, Document("users/u1/forms/f1", None).id) == ("users/u1/forms", "f1")
