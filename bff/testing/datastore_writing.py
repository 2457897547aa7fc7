"""Commits: what each kind of write does, atomicity, timepoints, and what can be stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from bff.datastore.port import Datastore, Delete, Merge, Precondition, Set
from bff.errors import Conflict, DocumentTooLarge, InvalidDocument
from bff.query import Order, Query
from bff.testing.datastore_case import DatastoreCase, data_of, get, query, update_times
from bff.types import Value

__all__ = ["WritingConformance"]


def nested(depth: int, leaf: Value = 1) -> dict[str, Value]:
    value: Any = leaf
    for _ in range(depth):
        value = {"a": value}
    return dict(value)


class WritingConformance(DatastoreCase):
    async def test_set_replaces_the_whole_document(self, datastore: Datastore) -> None:
        await datastore.commit([Set("users/a", {"x": 1, "y": 2})])
        await datastore.commit([Set("users/a", {"y": 3})])
        assert await data_of(datastore, "users/a") == {"y": 3}

    async def test_merge_replaces_top_level_fields_and_keeps_the_others(self, datastore: Datastore) -> None:
        await datastore.commit([Set("users/a", {"x": 1, "y": {"p": 1, "q": 2}, "z": 3})])
        await datastore.commit([Merge("users/a", {"y": {"p": 5}, "n": None}, remove=("z", "absent"))])
        assert await data_of(datastore, "users/a") == {"x": 1, "y": {"p": 5}, "n": None}

    async def test_merge_takes_names_as_they_are(self, datastore: Datastore) -> None:
        await datastore.commit([Set("users/a", {"a": {"b": 1}, "a.b": 2, "c.d": 3})])
        await datastore.commit([Merge("users/a", {"a.b": 4}, remove=("c.d",))])
        assert await data_of(datastore, "users/a") == {"a": {"b": 1}, "a.b": 4}

    async def test_merge_creates_the_document_that_is_not_there(self, datastore: Datastore) -> None:
        await datastore.commit([Merge("users/a", {"x": 1}, remove=("y",)), Merge("users/b", {}, remove=("y",))])
        first, second = await get(datastore, "users/a", "users/b")
        assert (first.data, second.data) == ({"x": 1}, {})

    async def test_delete_removes_and_of_an_absent_document_is_no_error(self, datastore: Datastore) -> None:
        await datastore.commit([Set("users/a", {"x": 1})])
        await datastore.commit([Delete("users/a"), Delete("users/nobody")])
        assert await data_of(datastore, "users/a") is None

    async def test_an_empty_document_is_a_document(self, datastore: Datastore) -> None:
        await datastore.commit([Set("users/a", {})])
        assert await data_of(datastore, "users/a") == {}
        assert len(await query(datastore, Query("users"))) == 1

    async def test_writes_of_one_commit_apply_in_order(self, datastore: Datastore) -> None:
        await datastore.commit(
            [
                Set("users/a", {"x": 1}),
                Merge("users/a", {"y": 2}),
                Set("users/b", {"x": 1}),
                Delete("users/b"),
                Delete("users/c"),
                Merge("users/c", {"z": 3}),
            ]
        )
        found = await get(datastore, "users/a", "users/b", "users/c")
        assert [document.data for document in found] == [{"x": 1, "y": 2}, None, {"z": 3}]

    async def test_all_writes_of_a_commit_have_its_timepoint(self, datastore: Datastore) -> None:
        commit = await datastore.commit([Set(f"users/{n}", {"n": n}) for n in range(20)])
        assert set(await update_times(datastore, *(f"users/{n}" for n in range(20)))) == {commit.timepoint}

    async def test_timepoints_of_later_commits_are_later(self, datastore: Datastore) -> None:
        commits = [await datastore.commit([Set(f"users/{n % 3}", {"n": n})]) for n in range(30)]
        timepoints = [commit.timepoint for commit in commits]
        assert timepoints == sorted(set(timepoints))

    async def test_a_write_that_changes_nothing_keeps_the_update_time(self, datastore: Datastore) -> None:
        data: dict[str, Value] = {"x": 1, "m": {"p": [1, 2.0], "q": None}, "nan": float("nan")}
        first = await datastore.commit([Set("users/a", data), Set("users/b", {"x": 1})])
        again = await datastore.commit([Set("users/a", dict(reversed(data.items())))])
        await datastore.commit([Merge("users/a", {"x": 1}, remove=("absent",))])
        await datastore.commit([Merge("users/a", {})])
        assert await update_times(datastore, "users/a") == [first.timepoint]
        assert again.timepoint >= first.timepoint
        partly = await datastore.commit([Set("users/a", data), Set("users/b", {"x": 2})])
        assert await update_times(datastore, "users/a", "users/b") == [first.timepoint, partly.timepoint]

    async def test_an_integer_and_a_float_are_different_to_a_write(self, datastore: Datastore) -> None:
        await datastore.commit([Set("users/a", {"x": 1})])
        second = await datastore.commit([Set("users/a", {"x": 1.0})])
        assert await update_times(datastore, "users/a") == [second.timepoint]
        assert isinstance((await data_of(datastore, "users/a") or {})["x"], float)

    async def test_a_commit_of_nothing_is_one(self, datastore: Datastore) -> None:
        before = await datastore.commit([Set("users/a", {"x": 1})])
        assert (await datastore.commit([])).timepoint >= before.timepoint

    async def test_what_is_refused_leaves_no_trace(self, datastore: Datastore) -> None:
        first = await datastore.commit([Set("users/a", {"x": 1})])
        with pytest.raises(Conflict):
            await datastore.commit(
                [
                    Set("users/a", {"x": 2}),
                    Set("newcollection/b", {"newField": 1}),
                    Set("users/c", {}, Precondition(exists=True)),
                ]
            )
        assert await update_times(datastore, "users/a") == [first.timepoint]
        assert await query(datastore, Query("newcollection", order_by=(Order("newField"),))) == []
        await datastore.commit([Set("newcollection/b", {"newField": 1, "other": 2})])
        assert len(await query(datastore, Query("newcollection", order_by=(Order("newField"),)))) == 1

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            ({"n": 2**63}, "n: 9223372036854775808 is beyond 64 bits"),
            ({"m": {"l": [1, -(2**63) - 1]}}, r"m\.l\[1\]: -9223372036854775809 is beyond 64 bits"),
            ({"t": datetime(2024, 1, 1)}, "t: .* has no time zone"),
            ({"": 1}, "a field name is not empty"),
            ({"m": {"": 1}}, "a field name is not empty"),
            ({"__reserved__": 1}, "__reserved__"),
            ({"l": [[1]]}, r"l\[0\]: an array cannot hold an array directly"),
            ({"s": "\ud800"}, "s: the text is not valid Unicode"),
            (nested(22), "nested over 20 levels"),
            (nested(21, [1]), "nested over 20 levels"),
            ({"o": 1j}, "o: a complex cannot be stored"),
            ({"s": {1, 2}}, "s: a set cannot be stored"),
            ({1: 1}, "1: a field name is a str"),
            ({"f" * 1501: 1}, "at most 1500 bytes"),
        ],
        ids=lambda value: str(value)[:40],
    )
    async def test_what_cannot_be_stored_is_refused_by_name(self, datastore: Datastore, data: Any, said: str) -> None:
        with pytest.raises(InvalidDocument, match=f"users/a: .*{said}"):
            await datastore.commit([Set("users/ok", {"x": 1}), Set("users/a", data)])
        with pytest.raises(InvalidDocument, match=f"users/a: .*{said}"):
            await datastore.commit([Merge("users/a", data)])
        assert await data_of(datastore, "users/ok") is None

    @pytest.mark.parametrize("data", [nested(21), nested(20, [1]), nested(19, [{"a": 1}]), {"__": 1, "__a": 2}], ids=str)
    async def test_what_just_can_be_stored_is(self, datastore: Datastore, data: Mapping[str, Value]) -> None:
        await datastore.commit([Set("users/a", data)])
        assert await data_of(datastore, "users/a") == data

    async def test_a_document_over_one_mebibyte_is_refused(self, datastore: Datastore) -> None:
        large = "x" * 600_000
        with pytest.raises(DocumentTooLarge, match="users/a"):
            await datastore.commit([Set("users/a", {"one": large, "two": large})])
        await datastore.commit([Set("users/a", {"one": large})])
        with pytest.raises(DocumentTooLarge):
            await datastore.commit([Set("users/b", {"x": 1}), Merge("users/a", {"two": large})])
        assert await data_of(datastore, "users/b") is None
        assert await data_of(datastore, "users/a") == {"one": large}
