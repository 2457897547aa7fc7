"""What is Firestore's own, against the emulator: see also the conformance suite, which it passes like every datastore."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from bff.datastore.firestore.datastore import FirestoreDatastore
from bff.datastore.firestore.emulated import in_one_scan
from bff.datastore.firestore.names import HEARTBEATS
from bff.datastore.port import Delete, ExpectDocument, ExpectQuery, Merge, Precondition, Set, Target
from bff.document import Document
from bff.errors import Conflict, DocumentTooLarge, InvalidDocument, InvalidQuery
from bff.matching import run
from bff.query import PATH, And, Compare, Cursor, Direction, Op, Order, Query
from bff.testing.datastore_case import Follower
from bff.types import Value

pytestmark = pytest.mark.anyio


@pytest.fixture
def url(firestore_emulator: str) -> str:
    return f"firestore://test-{uuid.uuid4().hex[:16]}?emulator={firestore_emulator}"


@pytest.fixture
async def datastore(url: str) -> AsyncIterator[FirestoreDatastore]:
    async with FirestoreDatastore.from_url(url) as datastore:
        yield datastore


async def get(datastore: FirestoreDatastore, *paths: str) -> list[Document]:
    async with datastore.snapshot() as snapshot:
        return await snapshot.get(paths)


async def find(datastore: FirestoreDatastore, query: Query) -> list[Document]:
    async with datastore.snapshot() as snapshot:
        return await snapshot.query(query)


async def until_it_succeeds(work: Callable[[], Awaitable[object]]) -> None:
    for attempt in range(60):
        try:
            await work()
            return
        except Conflict:
            await asyncio.sleep(random.uniform(0, min(0.005 * 2.0**attempt, 0.5)))
    raise AssertionError("it never succeeds")


# --- Snapshots


async def test_first_reads_at_once_agree_on_one_timepoint(datastore: FirestoreDatastore) -> None:
    await datastore.commit([Set(f"accounts/{n}", {"money": 0}) for n in range(8)])
    stop = asyncio.Event()

    async def write() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            await datastore.commit([Set(f"accounts/{each}", {"money": n}) for each in range(8)])

    writing = asyncio.create_task(write())
    for _ in range(20):
        async with datastore.snapshot() as snapshot:
            reads = [snapshot.get([f"accounts/{n}"]) for n in range(8)]
            documents = await asyncio.gather(*reads, snapshot.query(Query("accounts")))
        assert len({document.update_time for found in documents for document in found}) == 1
        assert snapshot.timepoint >= documents[0][0].update_time
    stop.set()
    await writing


async def test_a_snapshot_does_not_wait_for_commits_to_other_documents(datastore: FirestoreDatastore) -> None:
    await datastore.commit([Set("accounts/1", {"money": 1})])
    commit = datastore._in_flight.sent(["accounts/2", "owners/1"])
    async with asyncio.timeout(5), datastore.snapshot() as snapshot:
        [document] = await snapshot.get(["accounts/1"])
        assert document.data == {"money": 1}
        later = asyncio.create_task(snapshot.query(Query("owners")))
        await snapshot.get(["accounts/3"])
        assert not later.done()  # it may find half of the commit, at the timepoint that the first read has set
        datastore._in_flight.ended(commit)
        assert await later == []


@pytest.mark.parametrize("group", [False, True])
async def test_many_values_are_asked_for_in_one_scan(datastore: FirestoreDatastore, group: bool) -> None:
    names = ["", "a", "b", "bé", "c", "ca", "cb", "cc", "d", "e", "f", "g", "z"]
    written = [Set(f"cities/{n}", {"name": name, "big": n % 2 == 0}) for n, name in enumerate(reversed(names))]
    other: list[Value] = [None, 5, ["a"], b"b"]
    await datastore.commit([*written, *(Set(f"cities/o{n}", {"name": value, "big": True}) for n, value in enumerate(other))])
    wanted = Compare("name", Op.IN, ["f", "a", "b", "c", "cc", "z", "nowhere", "e", ""])
    for where in (wanted, And((wanted, Compare("big", Op.EQ, True)))):
        query = Query("cities", where, group=group)
        assert in_one_scan(query) is not None
        found = await find(datastore, query)
        async with datastore.snapshot() as snapshot:
            everything = await snapshot.query(Query("cities"))
        assert found == run(query, everything)
        assert len(found) == (8 if where is wanted else 5)


@pytest.mark.parametrize(
    "query",
    [
        Query("cities", Compare("name", Op.IN, ["a", "b"])),
        Query("cities", Compare("name", Op.IN, [*"abcdefgh", 5])),
        Query("cities", Compare("name", Op.IN, [*"abcdefgh", "é"])),
        Query("cities", Compare("name", Op.IN, [*"abcdefgh"]), limit=3),
        Query("cities", Compare("name", Op.IN, [*"abcdefgh"]), order_by=(Order("size"),)),
        Query("cities", Compare(PATH, Op.IN, [f"cities/{n}" for n in range(9)])),
        Query("cities", Compare("name", Op.EQ, "a")),
        Query("cities"),
    ],
)
def test_other_queries_are_asked_as_they_are(query: Query) -> None:
    assert in_one_scan(query) is None


async def test_snapshots_beside_another_client_see_whole_commits(url: str, datastore: FirestoreDatastore) -> None:
    """Its commits are not known here, and the emulator shows half of them for a moment."""
    async with FirestoreDatastore.from_url(url) as other:
        await other.commit([Set(f"accounts/{n}", {"money": 0}) for n in range(8)])
        stop = asyncio.Event()

        async def write() -> None:
            n = 0
            while not stop.is_set():
                n += 1
                await other.commit([Set(f"accounts/{each}", {"money": n}) for each in range(8)])

        writing = asyncio.create_task(write())
        for _ in range(30):
            async with datastore.snapshot() as snapshot:
                found = await asyncio.gather(snapshot.query(Query("accounts")), snapshot.get(["accounts/0", "accounts/7"]))
            assert len({document.update_time for documents in found for document in documents}) == 1
        stop.set()
        await writing


async def test_a_first_read_that_fails_leaves_the_next_one_to_decide(datastore: FirestoreDatastore) -> None:
    commit = await datastore.commit([Set("ships/a", {})])
    async with datastore.snapshot() as snapshot:
        with pytest.raises(InvalidQuery):
            await snapshot.query(Query("ships", Compare("a", Op.EQ, "x" * 2000)))
        with pytest.raises(RuntimeError):
            _ = snapshot.timepoint
        [document] = await snapshot.get(["ships/a"])
        assert document.update_time == commit.timepoint


async def test_paths_downwards_which_firestore_does_not_do(datastore: FirestoreDatastore) -> None:
    await datastore.commit([Set(f"ships/{name}", {"name": name}) for name in "abcdef"])
    down = (Order(PATH, Direction.DESCENDING),)
    found = await find(datastore, Query("ships", order_by=down))
    assert [document.id for document in found] == list("fedcba")
    after = Cursor(("ships/e",))
    found = await find(datastore, Query("ships", order_by=down, limit=2, start=after, end=Cursor(("ships/a",))))
    assert [document.data for document in found] == [{"name": "d"}, {"name": "c"}]
    expected = ExpectQuery(Query("ships", order_by=down, limit=1), (("ships/f", found[0].update_time),))
    await datastore.commit([Set("harbours/h", {})], [expected])
    with pytest.raises(Conflict):
        await datastore.commit([Set("ships/g", {}), Set("harbours/h", {"n": 1})], [ExpectQuery(expected.query, ())])


# --- Commits


async def test_expecting_a_document_neither_changes_nor_announces_it(datastore: FirestoreDatastore) -> None:
    before = await datastore.commit([Set("ships/a", {"n": 1})])
    async with datastore.listen([Target("ships")]) as listening:
        follower = Follower(listening)
        await follower.until(before.timepoint)
        expected = [ExpectDocument("ships/a", before.timepoint), ExpectDocument("ships/none", None)]
        commit = await datastore.commit([Set("ships/b", {"n": 1})], expected)
        told = len(follower.batches)
        await follower.until(commit.timepoint)
        assert [document.path for batch in follower.batches[told:] for document in batch.documents] == ["ships/b"]
    assert [document.update_time for document in await get(datastore, "ships/a", "ships/none")] == [before.timepoint, 0]


async def test_expectations_alone_can_be_committed(datastore: FirestoreDatastore) -> None:
    commit = await datastore.commit([Set("ships/a", {"n": 1})])
    assert (await datastore.commit([], [ExpectDocument("ships/a", commit.timepoint)])).timepoint >= commit.timepoint
    with pytest.raises(Conflict):
        await datastore.commit([], [ExpectDocument("ships/a", None)])
    with pytest.raises(Conflict):
        await datastore.commit([], [ExpectQuery(Query("ships"), ())])


async def test_a_hundred_and_sixty_optimistic_increments_at_once_all_count(datastore: FirestoreDatastore) -> None:
    await datastore.commit([Set("counters/c", {"n": 0})])

    async def increment() -> None:
        [counter] = await get(datastore, "counters/c")
        assert counter.data is not None
        number = counter.data["n"]
        assert isinstance(number, int)
        await datastore.commit([Merge("counters/c", {"n": number + 1})], [ExpectDocument("counters/c", counter.update_time)])

    await asyncio.gather(*(until_it_succeeds(increment) for _ in range(160)))
    assert (await get(datastore, "counters/c"))[0].data == {"n": 160}


async def test_no_write_skew(url: str, datastore: FirestoreDatastore) -> None:
    """Two who each leave only while the other stays: a document that is read and not written counts as much as a written one."""
    async with FirestoreDatastore.from_url(url) as other:

        async def leave(through: FirestoreDatastore, me: str, colleague: str) -> None:
            mine, theirs = await get(through, me, colleague)
            if theirs.data == {"on": True}:
                expected = [ExpectDocument(one.path, one.update_time) for one in (mine, theirs)]
                try:
                    await through.commit([Set(me, {"on": False})], expected)
                except Conflict:
                    return

        for n in range(40):
            one, two = f"duty/{n}a", f"duty/{n}b"
            await datastore.commit([Set(one, {"on": True}), Set(two, {"on": True})])
            await asyncio.gather(leave(datastore, one, two), leave(other, two, one))
            assert {"on": True} in [document.data for document in await get(datastore, one, two)]


async def test_appends_that_expect_a_query_are_serial(datastore: FirestoreDatastore) -> None:
    lines = Query("lines")

    async def append() -> None:
        found = await find(datastore, lines)
        expected = ExpectQuery(lines, tuple((line.path, line.update_time) for line in found))
        await datastore.commit([Set(f"lines/{len(found):03}", {"after": len(found)})], [expected])

    await asyncio.gather(*(until_it_succeeds(append) for _ in range(20)))
    assert [line.data for line in await find(datastore, lines)] == [{"after": n} for n in range(20)]


async def test_a_conflict_of_a_transaction_leaves_no_lock(datastore: FirestoreDatastore) -> None:
    await datastore.commit([Set("lines/a", {"n": 0})])
    for expected in ([ExpectQuery(Query("lines"), ())], [ExpectQuery(Query("others"), ()), ExpectDocument("lines/a", 17)]):
        with pytest.raises(Conflict):
            await datastore.commit([Set("lines/b", {})], expected)
    async with asyncio.timeout(1.5):  # the emulator's own locks time out after two seconds
        await datastore.commit([Set("lines/a", {"n": 1})])


async def test_many_writes_are_one_commit(datastore: FirestoreDatastore) -> None:
    commit = await datastore.commit([Set(f"ships/{n}", {"n": n}) for n in range(1200)])
    found = await get(datastore, *(f"ships/{n}" for n in range(1200)))
    assert {document.update_time for document in found} == {commit.timepoint}


async def test_a_commit_over_the_limit_is_refused_before_it_is_sent(datastore: FirestoreDatastore) -> None:
    with pytest.raises(DocumentTooLarge):
        await datastore.commit([Set(f"books/{n}", {"text": "x" * 900_000}) for n in range(6)])
    assert await find(datastore, Query("books")) == []


async def test_what_merging_makes_too_large_is_refused(datastore: FirestoreDatastore) -> None:
    await datastore.commit([Set("books/b", {"one": "x" * 700_000})])
    with pytest.raises(DocumentTooLarge):
        await datastore.commit([Merge("books/b", {"two": "x" * 700_000}), Set("books/c", {})])
    assert len(await find(datastore, Query("books"))) == 1


async def test_a_document_that_cannot_be_stored_is_named(datastore: FirestoreDatastore) -> None:
    with pytest.raises(InvalidDocument, match=r"ships/a.*matrix"):
        await datastore.commit([Set("ships/a", {"matrix": [[1]]})])


async def test_a_failed_precondition_stops_all_writes(datastore: FirestoreDatastore) -> None:
    with pytest.raises(Conflict):
        await datastore.commit([Set("ships/a", {}), Delete("ships/b", Precondition(exists=True))])
    assert await find(datastore, Query("ships")) == []


# --- Listening


async def test_a_quiet_listener_is_kept_alive_by_heartbeats_that_it_does_not_leave_behind(url: str) -> None:
    address = FirestoreDatastore.from_url(url)._address
    async with FirestoreDatastore(address, heartbeat=0.2) as datastore:
        async with datastore.listen([Target("ships")]) as listening:
            follower = Follower(listening)
            first = await follower.step()
            assert first.resume is not None
            for _ in range(3):
                assert (await follower.step()).documents == ()
            assert len(await find(datastore, Query(HEARTBEATS))) == 1
        assert await find(datastore, Query(HEARTBEATS)) == []


async def test_a_bad_target_is_told_to_whoever_listens(datastore: FirestoreDatastore) -> None:
    async with datastore.listen([Target("ships"), Target("__reserved__")]) as listening, asyncio.timeout(20):
        with pytest.raises(InvalidQuery, match="__reserved__"):
            async for _ in listening:
                pass


async def test_closing_the_datastore_ends_its_listeners(url: str) -> None:
    datastore = FirestoreDatastore.from_url(url)
    await datastore.__aenter__()
    listening = await datastore.listen([Target("ships")]).__aenter__()
    follower = Follower(listening)
    await follower.step()
    await datastore.__aexit__(None, None, None)
    async with asyncio.timeout(5):
        assert [changes async for changes in listening] == []


async def test_a_listener_that_nobody_reads_holds_little_and_closes_at_once(datastore: FirestoreDatastore) -> None:
    async with asyncio.timeout(20):
        async with datastore.listen([Target("ships")]) as listening:
            follower = Follower(listening)
            await follower.step()
            for n in range(59):
                await datastore.commit([Set("ships/a", {"n": n})])
            commit = await datastore.commit([Set("ships/a", {"n": 59})])
            assert len(follower.batches) == 1
            await follower.until(commit.timepoint)
            assert follower.present() == {"ships/a": {"n": 59}}
        async with datastore.listen([Target("ships")]):
            await datastore.ping()


async def test_commits_beside_listeners_that_come_and_go_are_made_and_told(url: str, datastore: FirestoreDatastore) -> None:
    """The emulator fails a commit, after making it, where it cannot tell a listener that has just ended."""
    stop = asyncio.Event()
    async with FirestoreDatastore.from_url(url) as other, datastore.listen([Target("ships")]) as listening:

        async def come_and_go() -> None:
            while not stop.is_set():
                async with other.listen([Target("ships")]) as passing:
                    await Follower(passing).step()

        passers = [asyncio.create_task(come_and_go()) for _ in range(3)]
        follower = Follower(listening)
        for n in range(100):
            commit = await datastore.commit([Set(f"ships/{n % 5}", {"n": n})])
            if n % 4 == 0:
                await follower.until(commit.timepoint)
                assert follower.present()[f"ships/{n % 5}"] == {"n": n}
        stop.set()
        await asyncio.gather(*passers)
