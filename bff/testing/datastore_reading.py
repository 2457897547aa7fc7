"""Reads: every datastore's tests of ``get`` and of snapshots."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bff.datastore.port import Datastore, Delete, Set
from bff.errors import BadUserInput
from bff.query import Query
from bff.testing.datastore_case import DatastoreCase, data_of, get, same_value
from bff.testing.datastore_samples import UNHURRIED, documents
from bff.types import GeoPoint, Value

__all__ = ["ReadingConformance"]

EVERY_TYPE: dict[str, Value] = {
    "null": None,
    "yes": True,
    "no": False,
    "int": -(2**63),
    "big": 2**63 - 1,
    "float": 1.0,
    "tiny": 5e-324,
    "text": "Gilman Drive \u2014 \U0001f600 \x00",
    "empty": "",
    "bytes": bytes(range(256)),
    "time": datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    "geo": GeoPoint(32.8801, -117.2340),
    "list": [1, "a", None, {"deep": [True]}],
    "noList": [],
    "map": {"x": {"y": {"z": 1}}, "with space": 1, "a.b": 2, "`": 3, "\\": 4},
    "noMap": {},
    "$time": {"$bytes": "not a tag"},
    "infinite": float("inf"),
    "nan": float("nan"),
}


class ReadingConformance(DatastoreCase):
    async def test_every_type_of_value_comes_back_as_it_was(self, datastore: Datastore) -> None:
        await datastore.commit([Set("things/t", EVERY_TYPE)])
        assert same_value(await data_of(datastore, "things/t"), EVERY_TYPE)

    @given(sample=documents())
    @settings(max_examples=40, deadline=None, suppress_health_check=UNHURRIED)
    async def test_any_document_comes_back_as_it_was(self, datastore: Datastore, sample: dict[str, dict[str, Value]]) -> None:
        await datastore.commit([Set(f"any/{id}", data) for id, data in sample.items()])
        found = await get(datastore, *(f"any/{id}" for id in sample))
        assert all(same_value(document.data, sample[document.id]) for document in found)

    async def test_a_moment_is_the_same_in_whatever_zone_it_was_written(self, datastore: Datastore) -> None:
        written = datetime(2024, 5, 1, 12, tzinfo=timezone(timedelta(hours=-7)))
        await datastore.commit([Set("things/t", {"at": written})])
        found = (await data_of(datastore, "things/t") or {})["at"]
        assert isinstance(found, datetime)
        assert found == written
        assert found.utcoffset() == timedelta(0)

    async def test_get_answers_in_the_order_asked_absent_ones_and_repeated_ones_too(self, datastore: Datastore) -> None:
        commit = await datastore.commit([Set("users/a", {"n": 1}), Set("users/b", {"n": 2})])
        found = await get(datastore, "users/b", "users/nobody", "users/a", "users/b")
        assert [(document.path, document.data) for document in found] == [
            ("users/b", {"n": 2}),
            ("users/nobody", None),
            ("users/a", {"n": 1}),
            ("users/b", {"n": 2}),
        ]
        assert [document.update_time for document in found] == [commit.timepoint, 0, commit.timepoint, commit.timepoint]

    @given(sample=documents(), fields=st.lists(st.sampled_from(["a", "b", "m", "m.x", "none", "with `"]), max_size=3))
    @settings(max_examples=25, deadline=None, suppress_health_check=UNHURRIED)
    async def test_a_mask_leaves_the_fields_it_names(
        self, datastore: Datastore, sample: dict[str, dict[str, Value]], fields: list[str]
    ) -> None:
        await datastore.commit([Set(f"any/{id}", {**data, "m.x": 1, "with `": 2, "$x": 3}) for id, data in sample.items()])
        paths = [*(f"any/{id}" for id in sample), "any/nobody"]
        whole = await get(datastore, *paths)
        async with datastore.snapshot() as snapshot:
            masked = await snapshot.get(paths, fields)
        for document, part in zip(whole, masked, strict=True):
            assert (part.path, part.update_time) == (document.path, document.update_time)
            assert same_value(part.data, document.only(fields).data)

    @pytest.mark.parametrize("fields", [(), ("null",), ("list", "map"), ("time", "nan", "yes"), ("$time",), tuple(EVERY_TYPE)])
    async def test_a_masked_value_of_any_type_is_as_it_was(self, datastore: Datastore, fields: tuple[str, ...]) -> None:
        plain = {name: value for name, value in EVERY_TYPE.items() if not name.startswith("$")}
        await datastore.commit([Set("things/t", EVERY_TYPE), Set("things/u", plain)])
        async with datastore.snapshot() as snapshot:
            one, other, absent = await snapshot.get(["things/t", "things/u", "things/v"], fields)
            found = await snapshot.query(Query("things"), fields)
        assert same_value(one.data, {name: EVERY_TYPE[name] for name in fields})
        assert same_value(other.data, {name: plain[name] for name in fields if name in plain})
        assert not absent.exists
        assert [document.path for document in found] == [one.path, other.path]
        assert all(same_value(left.data, right.data) for left, right in zip(found, [one, other], strict=True))

    async def test_get_of_nothing_is_nothing(self, datastore: Datastore) -> None:
        assert await get(datastore) == []

    async def test_get_of_a_thousand_documents(self, datastore: Datastore) -> None:
        for start in range(0, 1000, 250):
            await datastore.commit([Set(f"many/d{n}", {"n": n}) for n in range(start, start + 250)])
        found = await get(datastore, *(f"many/d{n}" for n in range(1000)))
        assert [(document.data or {})["n"] for document in found] == list(range(1000))

    @pytest.mark.parametrize("path", ["", "users", "users/", "users/a/forms", "users/..", "users/__a__", "/users/a", "users//a"])
    async def test_a_path_that_is_none_is_refused(self, datastore: Datastore, path: str) -> None:
        with pytest.raises(BadUserInput):
            await get(datastore, path)
        with pytest.raises(BadUserInput):
            await datastore.commit([Set(path, {})])
        with pytest.raises(BadUserInput):
            await datastore.commit([Delete(path)])

    async def test_nested_documents_are_others_than_their_parents(self, datastore: Datastore) -> None:
        await datastore.commit([Set("users/a/forms/f", {"n": 1})])
        parent, nested = await get(datastore, "users/a", "users/a/forms/f")
        assert not parent.exists
        assert nested.data == {"n": 1}
        assert (nested.id, nested.collection) == ("f", "users/a/forms")

    async def test_a_snapshot_sees_every_commit_that_returned_before_it(self, datastore: Datastore) -> None:
        for n in range(20):
            commit = await datastore.commit([Set("users/a", {"n": n})])
            async with datastore.snapshot() as snapshot:
                [document] = await snapshot.get(["users/a"])
                assert document.data == {"n": n}
                assert document.update_time == commit.timepoint <= snapshot.timepoint

    async def test_all_reads_of_a_snapshot_are_at_one_timepoint(self, datastore: Datastore) -> None:
        await datastore.commit([Set("a/x", {"n": 0}), Set("b/x", {"n": 0})])
        async with datastore.snapshot() as snapshot:
            await snapshot.get(["a/x"])
            timepoint = snapshot.timepoint
            later = await datastore.commit([Set("a/x", {"n": 1}), Set("b/x", {"n": 1}), Set("b/y", {"n": 1})])
            assert later.timepoint > timepoint
            [first], found = await asyncio.gather(snapshot.get(["b/x"]), snapshot.query(Query("b")))
            assert first.data == {"n": 0}
            assert [(document.path, document.data) for document in found] == [("b/x", {"n": 0})]
            assert await snapshot.count(Query("b")) == 1
            assert snapshot.timepoint == timepoint
        async with datastore.snapshot() as snapshot:
            assert await snapshot.count(Query("b")) == 2
            assert snapshot.timepoint >= later.timepoint
        assert await data_of(datastore, "b/x") == {"n": 1}

    async def test_snapshots_beside_writers_never_see_half_a_commit(self, datastore: Datastore) -> None:
        await datastore.commit([Set("a/x", {"n": 0}), Set("b/x", {"n": 0})])
        done = asyncio.Event()

        async def write() -> None:
            for n in range(1, 40):
                await datastore.commit([Set("a/x", {"n": n}), Set("b/x", {"n": n})])
            done.set()

        async def read() -> int:
            reads = 0
            while not done.is_set():
                async with datastore.snapshot() as snapshot:
                    [one] = await snapshot.get(["a/x"])
                    [other] = await snapshot.query(Query("b"))
                    assert one.data == other.data
                    assert one.update_time == other.update_time <= snapshot.timepoint
                    reads += 1
            return reads

        *reads, _ = await asyncio.gather(read(), read(), write())
        assert sum(reads) > 0

    async def test_ping_tells_a_timepoint_that_commits_are_after(self, datastore: Datastore) -> None:
        before = await datastore.ping()
        commit = await datastore.commit([Set("users/a", {"n": 1})])
        assert before < commit.timepoint <= await datastore.ping()
