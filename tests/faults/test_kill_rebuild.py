"""``kill -9`` around every step of a rebuild under live writes, old code beside it: the next goes on, nothing has drifted."""

from __future__ import annotations

import asyncio
import json
import signal
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bff.datastore.connect import open_datastore
from bff.datastore.port import Datastore
from bff.model.catalog import Catalog
from bff.projection.as_of import RemoteAsOf
from bff.projection.audit import Audit
from bff.projection.every_key import every_key
from bff.projection.projector import Projector
from bff.projection.rebuild_place import REBUILDS
from bff.projection.unchecked import UNCHECKED
from bff.query import Query
from tests.faults.killed_run import Forker
from tests.faults.killing import KillPoint
from tests.faults.rebuilding_run import BOOKS, NEW, Life

pytestmark = pytest.mark.anyio

NOTED = "commit _bff_rebuilds"
BUILT = "commit BookPage _bff_unchecked _bff_views"
COMPLETE = "commit _bff_definitions"
POINTS = [
    *(KillPoint(phase, number, NOTED) for number in (1, 2) for phase in ("before", "after")),  # type: ignore[arg-type]
    *(KillPoint(phase, number, BUILT) for number in (1, 3) for phase in ("before", "after")),  # type: ignore[arg-type]
    KillPoint("after", 2, "query books"),
    *(KillPoint(phase, number, COMPLETE) for number in (1, 2) for phase in ("before", "after")),  # type: ignore[arg-type]
]


@pytest.fixture(scope="module")
def forker() -> Iterator[Forker]:
    with Forker("tests.faults.rebuilding_run") as running:
        yield running


async def check(url: str) -> None:
    """Every stored view is what the new code makes of its documents, by another way than a build, and by an audit."""
    async with open_datastore(url) as datastore:
        books, authors, pages = [await everything(datastore, name) for name in ("books", "authors", "BookPage")]
        assert len(books) >= BOOKS
        for page in pages.values():
            assert page.pop("version") > 0
        assert pages == {
            id: {"id": id, "title": book["title"].upper(), "author": authors[book["author"].partition("/")[2]]["name"]}
            for id, book in books.items()
        }
        assert await everything(datastore, REBUILDS) == {}
        await swept(datastore)
        async with RemoteAsOf(datastore) as as_of:
            audit = Audit(datastore, NEW, as_of, seconds=0)
            drifts = [drift async for some in audit.of(every_key(datastore, NEW)) for drift in some]
        assert (drifts, audit.behind) == ([], 0)


async def swept(datastore: Datastore) -> None:
    """What a process has left unchecked, as it was killed or could not remove its notes, is for the next projector."""
    async with asyncio.timeout(30), Projector(datastore, Catalog.of([NEW]), sweep_seconds=0.05):
        while await everything(datastore, UNCHECKED):  # noqa: ASYNC110 - what is waited for is a state, not an event
            await asyncio.sleep(0.02)


async def everything(datastore: Datastore, collection: str) -> dict[str, Any]:
    async with datastore.snapshot() as snapshot:
        return {document.id: dict(document.data or {}) for document in await snapshot.query(Query(collection))}


async def lives(forker: Forker, url: str, place: Path, kill: str = "", trace: str = "") -> tuple[int, Any]:
    """One life that may be cut short, and the next one; how the first ended, and how the second's rebuild began and ended."""
    log, report = place / "log", place / "report"
    outcome = forker.run(Life(url, str(log), kill=kill, trace=trace))
    assert outcome in {0, -signal.SIGKILL}, log.read_text()[-4000:]
    assert forker.run(Life(url, str(log), begins=False, report=str(report))) == 0, log.read_text()[-4000:]
    await check(url)
    return outcome, json.loads(report.read_text())


@pytest.mark.parametrize("point", POINTS, ids=str)
async def test_killed_around_any_step_the_next_rebuild_goes_on(forker: Forker, tmp_path: Path, point: KillPoint) -> None:
    outcome, (began, ended) = await lives(forker, f"sqlite:///{tmp_path / 'library.db'}", tmp_path, str(point))
    assert outcome == -signal.SIGKILL, "it was never at that point"
    assert ended["complete"]
    if point.number == 2 and point.kind in {NOTED, COMPLETE}:
        assert began["built"] > 0, "it went on"


async def test_the_steps_are_those_that_there_are(forker: Forker, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    await lives(forker, f"sqlite:///{tmp_path / 'library.db'}", tmp_path, trace=str(trace))
    commits = Counter(line for line in trace.read_text().splitlines() if line.startswith("commit"))
    assert set(commits) - {"commit _bff_unchecked"} == {NOTED, BUILT, COMPLETE}


async def test_killed_on_firestore_the_next_rebuild_goes_on(forker: Forker, firestore_emulator: str, tmp_path: Path) -> None:
    url = f"firestore://faults-{uuid.uuid4().hex[:12]}?emulator={firestore_emulator}"
    outcome, (began, ended) = await lives(forker, url, tmp_path, str(KillPoint("after", 1, NOTED)))
    assert outcome == -signal.SIGKILL
    assert 0 < began["built"] <= ended["built"]
