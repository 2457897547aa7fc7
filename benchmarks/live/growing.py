"""Databases of a given size, and what is measured in them without a server: ``python -m benchmarks.live.growing COMMAND PATH …``.

- ``seed PATH DOCUMENTS``: so many domain documents, 22 for each view, and all their views.
- ``changes PATH COUNT``: what a change of one document costs, projected into its view. Prints JSON.
- ``miss PATH COUNT``: changes of so many documents, each of another view, while nothing runs.
- ``restart PATH COUNT STARTED``: how long after ``STARTED`` (a monotonic second, before this process) it has caught up with them.

The first view of a database is built by the projector. The others are copies of what it stored, with another key, committed in
bulk: what the projector would have stored, since their documents are copies too. That this is so is checked: some of them are
built again, which must change nothing.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator, Mapping
from typing import cast

from benchmarks.domain import MeetingSession
from benchmarks.live.app import app
from benchmarks.live.seed import documents
from benchmarks.live.state import key
from bff.datastore.connect import open_datastore
from bff.datastore.port import Datastore, Merge, Precondition, Set
from bff.projection.checkpoint import checkpoint_path
from bff.projection.stored_view import metadata_path, view_path
from bff.query import Compare, Op, Query
from bff.runtime import Runtime
from bff.settings import Settings
from bff.types import Timepoint, Value

__all__ = ["DOCUMENTS_OF_A_VIEW"]

DOCUMENTS_OF_A_VIEW = 22
IN_ONE_COMMIT = 4_800
CHANGES_AT_ONCE = 8
SECONDS = 600.0
CHECKED = 20
SIZE = "benchmark/size"
MISSED = "benchmark/missed"


async def seed(path: str, views: int) -> None:
    name = MeetingSession.__view__.name
    first = list(documents(0))
    async with app.running(settings(path)) as runtime:
        assert runtime.projector is not None, "the default role plays all parts"
        commit = await runtime.datastore.commit([Set(document.path, document.to_data()) for document in first])
        await runtime.projector.wait_for(commit.timepoint, SECONDS)
    async with open_datastore(f"sqlite:///{path}") as datastore:
        built = [view_path(MeetingSession.__view__.collection, key(0)), metadata_path(name, key(0))]
        async with datastore.snapshot() as snapshot:
            stored = await snapshot.get([*(document.path for document in first), *built])
        pattern = {document.path: document.data for document in stored if document.data is not None}
        writes: list[Set] = []
        last: Timepoint = 0
        for view in range(1, views):
            writes += copies(pattern, key(0), key(view))
            if len(writes) >= IN_ONE_COMMIT or view == views - 1:
                last = (await datastore.commit(writes)).timepoint
                writes = []
        # Everything up to here is written, which is what a checkpoint says.
        checkpoint = Merge(checkpoint_path("main"), {"timepoint": last}, precondition=Precondition(exists=True))
        await datastore.commit([checkpoint, Set(SIZE, {"views": views})])
    async with app.running(settings(path)) as runtime:
        await check(runtime, views)


def copies(pattern: Mapping[str, Mapping[str, Value]], old: str, new: str) -> Iterator[Set]:
    for path, data in pattern.items():
        yield Set(path.replace(old, new), cast("dict[str, Value]", copied(data, old, new)))


def copied(value: object, old: str, new: str) -> object:
    """The value, with another key wherever there is one, in references and in values that are one."""
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, bytes):
        return value.replace(old.encode(), new.encode())
    if isinstance(value, Mapping):
        return {name: copied(one, old, new) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [copied(one, old, new) for one in value]
    return value


async def check(runtime: Runtime, views: int) -> None:
    """Build some views anew: what is stored must be what is built. Raises ValueError."""
    assert runtime.projector is not None, "the default role plays all parts"
    keys = [key(view) for view in random.sample(range(views), min(views, CHECKED))]
    before = await runtime.views.read(MeetingSession, keys)
    after = await runtime.projector.views.fresh(MeetingSession, keys)
    for old, new in zip(before, after, strict=True):
        if old.document is None or old.document != new.document:
            raise ValueError(f"{old.key}: {old.document} is stored, {new.document} was built")


async def changes(path: str, count: int) -> dict[str, float]:
    """Changes of meetings, some at once, each of another view; until they are projected. Microseconds for one."""
    async with app.running(settings(path)) as runtime:
        projector = runtime.projector
        assert projector is not None, "the default role plays all parts"
        views = await count_views(runtime.datastore)

        async def change(number: int) -> float:
            began = time.perf_counter()
            chosen = random.sample(range(views), CHANGES_AT_ONCE)
            commits = await asyncio.gather(
                *(runtime.datastore.commit([Merge(f"meetings/{key(view)}", {"title": f"Change {number}"})]) for view in chosen)
            )
            await projector.wait_for(max(commit.timepoint for commit in commits), SECONDS)
            shown = await runtime.views.read(MeetingSession, [key(view) for view in chosen])
            if any(view.document is None or view.document["title"] != f"Change {number}" for view in shown):
                raise ValueError(f"change {number} is not in the views")
            return (time.perf_counter() - began) / CHANGES_AT_ONCE

        turns = count // CHANGES_AT_ONCE
        for number in range(turns // 3):
            await change(number)
        cpu = time.process_time()
        took = sorted([await change(turns + number) for number in range(turns)])
        cpu = time.process_time() - cpu
        return {"cpu": cpu / turns / CHANGES_AT_ONCE * 1e6, "wall": took[turns // 2] * 1e6}


async def count_views(datastore: Datastore) -> int:
    async with datastore.snapshot() as snapshot:
        [document] = await snapshot.get([SIZE])
    return cast(int, (document.data or {})["views"])


async def miss(path: str, count: int) -> None:
    async with open_datastore(f"sqlite:///{path}") as datastore:
        views = await count_views(datastore)
        title, last = f"Missed {time.monotonic_ns()}", 0
        for view in random.sample(range(views), min(count, views)):
            last = (await datastore.commit([Merge(f"meetings/{key(view)}", {"title": title})])).timepoint
        await datastore.commit([Set(MISSED, {"title": title, "last": last})])


async def restart(path: str, count: int, started: float) -> dict[str, float]:
    async with app.running(settings(path)) as runtime:
        assert runtime.projector is not None, "the default role plays all parts"
        async with runtime.datastore.snapshot() as snapshot:
            [missed] = await snapshot.get([MISSED])
        data = cast("Mapping[str, Value]", missed.data)
        await runtime.projector.wait_for(cast(int, data["last"]), SECONDS)
        seconds = time.monotonic() - started
        async with runtime.datastore.snapshot() as snapshot:
            caught_up = await snapshot.count(Query(MeetingSession.__view__.collection, Compare("title", Op.EQ, data["title"])))
        if caught_up != count:
            raise ValueError(f"{caught_up} views show what was missed, of {count}")
        return {"seconds": seconds}


def settings(path: str) -> Settings:
    return Settings(datastore_url=f"sqlite:///{path}")


async def main(command: str, path: str, number: int, *rest: str) -> dict[str, float]:
    if command == "seed":
        await seed(path, max(2, number // DOCUMENTS_OF_A_VIEW))
        return {}
    if command == "changes":
        return await changes(path, number)
    if command == "miss":
        await miss(path, number)
        return {}
    if command == "restart":
        return await restart(path, number, float(rest[0]))
    raise ValueError(command)


if __name__ == "__main__":
    _command, _path, _number, *_rest = sys.argv[1:]
    sys.stdout.write(json.dumps(asyncio.run(main(_command, _path, int(_number), *_rest))) + "\n")
