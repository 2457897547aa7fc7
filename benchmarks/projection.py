"""How fast views follow their documents: ``python -m benchmarks.projection uncoalesced coalesced --sessions 1000``.

In these a projector runs beside a datastore that holds sessions and their views; documents are changed, 64 commits at a time,
until the projector is past the last of them. A change is of one document, in a commit of its own unless ``--size`` says so.

- ``uncoalesced``: each change is of one of another session's people, so that each makes another view be built and written, once.
- ``coalesced``: the changes go round the documents of 20 sessions, so that one build takes in many. The rate is of changes.
- ``latency``: one change after the other, each from its commit until the projector is past it.
- ``restart``: a projector that was closed, 100 changes, and the time from starting it until it is past them.

These measure how fast views are written, while no document changes:

- ``rebuild``: a projector builds every view of a kind (``--view``) anew and writes it, with what is known of it.
- ``bare`` (``--emulator``): what google-cloud-firestore itself writes: ``AsyncDocumentReference.set`` of the same view documents,
  a call each, 64 at a time, into a database of their own, and nothing else.

``--view person`` is a view of one document: what is measured is the writing. One of 22 documents, with a query, is mostly
reading, and the emulator, which has no indexes, reads the whole collection for every query.

The last line is a JSON object: ``rate`` is changes, or view documents written, in a second of the wall; ``cpu`` is of this whole
process, threads included, for one of them, and ``loop`` the event loop's part of it, in microseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from benchmarks.projection_views import CATALOG, PEOPLE, PersonView, SessionView, person, seed
from bff.commands.garbage import collect_rarely
from bff.datastore.connect import open_datastore
from bff.datastore.port import Commit, Datastore, Delete, Expectation, Set, Write
from bff.model.catalog import Catalog
from bff.model.view_model import ViewModel
from bff.projection.paging import with_prefix
from bff.projection.projector import Projector
from bff.projection.rebuild import rebuild as run_rebuild
from bff.projection.stored_view import METADATA
from bff.query import Query
from bff.types import Timepoint

__all__ = ["Measured", "bare", "coalesced", "latency", "rebuild", "restart", "uncoalesced"]

IN_FLIGHT = 64
HOT = 20
WAIT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Measured:
    scenario: str
    changes: int
    seconds: float
    cpu: float
    """Microseconds of processor time for one change, of everything in this process."""
    loop: float = 0.0
    """The part of them that the event loop's thread had."""
    written: int = 0
    """How many documents of views were written."""

    @property
    def rate(self) -> float:
        return self.changes / self.seconds


class Written:
    """Counts the commits of view documents that go through a datastore."""

    def __init__(self, datastore: Datastore) -> None:
        self.count = 0
        self._commit = datastore.commit
        datastore.commit = self.commit  # type: ignore[method-assign]

    async def commit(self, writes: Iterable[Write], expect: Iterable[Expectation] = ()) -> Commit:
        writes = tuple(writes)
        made = await self._commit(writes, expect)
        self.count += sum(one.path.startswith("SessionView/") for one in writes)
        return made


async def many(works: Sequence[Callable[[], Awaitable[Timepoint]]], in_flight: int = IN_FLIGHT) -> Timepoint:
    """Do these, so many at a time. The last timepoint of all."""
    rest, last = iter(works), 0

    async def some() -> None:
        nonlocal last
        for work in rest:
            last = max(last, await work())

    await asyncio.gather(*(some() for _ in range(in_flight)))
    return last


def changes(
    datastore: Datastore, which: Sequence[tuple[int, int]], stamp: int, size: int = 1
) -> list[Callable[[], Awaitable[int]]]:
    """Commits that change these people (of which session, which one), ``size`` of them each."""

    def commit(some: Sequence[tuple[int, int, int]]) -> Callable[[], Awaitable[int]]:
        writes = [Set(one.path, one.to_data()) for one in (person(*each) for each in some)]

        async def send() -> Timepoint:
            return (await datastore.commit(writes)).timepoint

        return send

    numbered = [(*each, stamp + index) for index, each in enumerate(which)]
    return [commit(numbered[start : start + size]) for start in range(0, len(numbered), size)]


async def measure(
    name: str, datastore: Datastore, projector: Projector, works: list[Callable[[], Awaitable[int]]], size: int
) -> Measured:
    written = Written(datastore)
    cpu, loop, began = time.process_time(), time.thread_time(), time.perf_counter()
    await projector.wait_for(await many(works), WAIT_SECONDS)
    seconds, used, looped = time.perf_counter() - began, time.process_time() - cpu, time.thread_time() - loop
    datastore.commit = written._commit  # type: ignore[method-assign]
    count = len(works) * size
    return Measured(name, count, seconds, used / count * 1e6, looped / count * 1e6, written.count)


async def uncoalesced(datastore: Datastore, projector: Projector, sessions: int, count: int, stamp: int = 1) -> Measured:
    which = [(index * max(1, sessions // count) % sessions, stamp % PEOPLE) for index in range(count)]
    return await measure("uncoalesced", datastore, projector, changes(datastore, which, stamp * 1_000_000), 1)


async def coalesced(datastore: Datastore, projector: Projector, count: int, stamp: int = 1, size: int = 1) -> Measured:
    which = [(index % HOT, index // HOT % PEOPLE) for index in range(count)]
    return await measure(f"coalesced by {size}", datastore, projector, changes(datastore, which, stamp * 1_000_000, size), size)


async def restart(datastore: Datastore, sessions: int, stamp: int = 1, missed: int = 100) -> Measured:
    which = [(index * max(1, sessions // missed) % sessions, 0) for index in range(missed)]
    last = await many(changes(datastore, which, stamp * 1_000_000))
    cpu, loop, began = time.process_time(), time.thread_time(), time.perf_counter()
    async with Projector(datastore, CATALOG) as projector:
        await projector.wait_for(last, WAIT_SECONDS)
        seconds, used, looped = time.perf_counter() - began, time.process_time() - cpu, time.thread_time() - loop
    return Measured("restart", missed, seconds, used / missed * 1e6, looped / missed * 1e6)


async def rebuild(datastore: Datastore, projector: Projector, view: type[ViewModel], count: int) -> Measured:
    """Every view of a kind, of ``count``, built and written anew; those that are there are deleted before, unmeasured."""
    metadata = with_prefix(METADATA, view.__view__.name)
    for query in (Query(METADATA, metadata), Query(view.__view__.collection)):
        async with datastore.snapshot() as snapshot:
            found = await snapshot.query(query, ())
        for start in range(0, len(found), 400):
            await datastore.commit([Delete(one.path) for one in found[start : start + 400]])
    cpu, loop, began = time.process_time(), time.thread_time(), time.perf_counter()
    [progress] = await projector.rebuild([view])
    seconds, used, looped = time.perf_counter() - began, time.process_time() - cpu, time.thread_time() - loop
    assert progress.built == count, progress
    return Measured(f"rebuild {view.__name__}", count, seconds, used / count * 1e6, looped / count * 1e6, count)


async def bare(host: str, datastore: Datastore, view: type[ViewModel], count: int) -> Measured:
    """The same documents, written by google-cloud-firestore into a database of their own."""
    async with datastore.snapshot() as snapshot:
        found = await snapshot.query(Query(view.__view__.collection, limit=500))
    os.environ["FIRESTORE_EMULATOR_HOST"] = host
    # Here alone: only the emulator's scenario needs the driver.
    from google.cloud.firestore import AsyncClient

    client = AsyncClient(project=f"bare-{uuid4().hex[:12]}")
    collection = client.collection(view.__view__.collection)
    data = [dict(found[index % len(found)].data or {}) for index in range(count)]

    async def put(index: int) -> Timepoint:
        await collection.document(f"v{index}").set(data[index])
        return 0

    await put(0)
    cpu, loop, began = time.process_time(), time.thread_time(), time.perf_counter()
    await many([partial(put, index) for index in range(count)])
    seconds, used, looped = time.perf_counter() - began, time.process_time() - cpu, time.thread_time() - loop
    await client._firestore_api.transport.close()
    return Measured(f"bare {view.__name__}", count, seconds, used / count * 1e6, looped / count * 1e6, count)


async def latency(datastore: Datastore, projector: Projector, count: int, stamp: int = 9) -> Measured:
    """One change after the other: each from its commit until the projector is past it."""
    took = []
    cpu = time.process_time()
    for work in changes(datastore, [(index % 100, stamp) for index in range(count)], stamp * 1_000_000):
        began = time.perf_counter()
        await projector.wait_for(await work(), WAIT_SECONDS)
        took.append(time.perf_counter() - began)
    used = time.process_time() - cpu
    took.sort()
    say(f"latency p50 {took[count // 2] * 1e3:.2f} ms, p99 {took[count * 99 // 100] * 1e3:.2f} ms")
    return Measured("latency", count, sum(took), used / count * 1e6, written=count)


async def following(arguments: argparse.Namespace, datastore: Datastore, scenario: str, stamp: int) -> Measured:
    """One round of a scenario beside a projector, which is settled before."""
    async with Projector(datastore, CATALOG) as projector:
        await projector.wait_for(await datastore.ping(), WAIT_SECONDS)
        with profiled(arguments.profile):
            if scenario == "uncoalesced":
                return await uncoalesced(datastore, projector, arguments.sessions, arguments.changes, stamp)
            if scenario == "coalesced":
                return await coalesced(datastore, projector, arguments.changes, stamp, arguments.size)
            return await latency(datastore, projector, min(arguments.changes, 300), stamp)


async def measured(arguments: argparse.Namespace, datastore: Datastore, scenario: str, stamp: int) -> Measured:
    view = PersonView if arguments.view == "person" else SessionView
    count = arguments.sessions * (PEOPLE if view is PersonView else 1)
    if scenario == "rebuild":
        async with Projector(datastore, Catalog.of([view])) as projector:
            await projector.wait_for(await datastore.ping(), WAIT_SECONDS)
            with profiled(arguments.profile):
                return await rebuild(datastore, projector, view, count)
    if scenario == "bare":
        await run_rebuild(datastore, [view])
        return await bare(arguments.emulator, datastore, view, arguments.changes)
    if scenario == "restart":
        return await restart(datastore, arguments.sessions, stamp)
    return await following(arguments, datastore, scenario, stamp)


def profiled(lines: int) -> AbstractContextManager[object]:
    return printed_profile(lines) if lines else nullcontext()


@contextmanager
def printed_profile(lines: int) -> Iterator[None]:
    """Of the event loop's thread."""
    with cProfile.Profile() as profile:
        yield
    pstats.Stats(profile).sort_stats("tottime").print_stats(lines)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(arguments: argparse.Namespace) -> None:
    collect_rarely()  # as `bff serve` does, in which projectors run
    with TemporaryDirectory() as directory:
        url = arguments.url or f"sqlite:///{Path(directory) / 'bench.db'}"
        if arguments.emulator:
            url = f"firestore://bench-{uuid4().hex[:12]}?emulator={arguments.emulator}"
        async with open_datastore(url) as datastore:
            last = await seed(datastore, range(arguments.sessions))
            if not {"rebuild", "bare"}.issuperset(arguments.scenarios):
                began = time.perf_counter()
                async with Projector(datastore, CATALOG) as projector:
                    await projector.wait_for(last, WAIT_SECONDS)
                say(f"first build of {arguments.sessions} views in {time.perf_counter() - began:.1f} s")
            for scenario in arguments.scenarios:
                for stamp in range(1, arguments.repeat + 1):
                    one = await measured(arguments, datastore, scenario, stamp)
                    say(json.dumps({**asdict(one), "rate": round(one.rate, 1)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("scenarios", nargs="*", default=["uncoalesced", "coalesced", "restart"])
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--size", type=int, default=1, help="changes in a commit, where they coalesce")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--view", choices=["session", "person"], default="session", help="what rebuild and bare write")
    parser.add_argument("--profile", type=int, default=0, metavar="LINES", help="of the event loop's thread")
    parser.add_argument("--emulator", metavar="HOST:PORT")
    parser.add_argument("--url", help="an empty datastore; a new file of SQLite's by default")
    asyncio.run(main(parser.parse_args()))
