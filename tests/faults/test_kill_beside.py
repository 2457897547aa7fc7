"""``kill -9`` around every step of building beside and of the switch, under live writes: the next life has lost nothing."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bff.datastore.connect import open_datastore
from bff.datastore.port import Datastore
from bff.model.catalog import Catalog
from bff.projection.as_of import RemoteAsOf
from bff.projection.audit import Audit
from bff.projection.checkpoint import name_for
from bff.projection.every_key import every_key
from bff.projection.projector import Projector
from bff.projection.rebuild_place import REBUILDS
from bff.projection.standing import Standings
from bff.projection.unchecked import UNCHECKED
from bff.query import Query
from tests.faults.beside_run import NEW, OLD, Life
from tests.faults.killed_run import Forker
from tests.faults.killing import KillPoint
from tests.faults.rebuilding_run import BOOKS

pytestmark = pytest.mark.anyio

FOLLOWED = "commit _bff_projectors"
BUILT = f"commit {NEW.__view__.collection} _bff_unchecked _bff_views"
NOTED = "commit _bff_rebuilds"
STANDING = "commit _bff_definitions"
POINTS = [
    *(KillPoint(phase, 1, FOLLOWED) for phase in ("before", "after")),  # type: ignore[arg-type]
    *(KillPoint(phase, 2, BUILT) for phase in ("before", "after")),  # type: ignore[arg-type]
    KillPoint("after", 1, NOTED),
    # It begins; it switches.
    *(KillPoint(phase, number, STANDING) for number in (1, 2) for phase in ("before", "after")),  # type: ignore[arg-type]
]


@pytest.fixture(scope="module")
def forker() -> Iterator[Forker]:
    with Forker("tests.faults.beside_run") as running:
        yield running


async def check(url: str) -> None:
    """Each storage is what its code makes of the documents, by another way than a build and by an audit."""
    async with open_datastore(url) as datastore:
        books, authors = [await everything(datastore, name) for name in ("books", "authors")]
        assert len(books) >= BOOKS
        older = {id: {"id": id, "title": book["title"]} for id, book in books.items()}
        newer = {
            id: {"id": id, "title": book["title"].upper(), "author": authors[book["author"].partition("/")[2]]["name"]}
            for id, book in books.items()
        }
        [standing] = await Standings(datastore).of([NEW])
        assert standing.current is not None
        assert standing.current.name == NEW.__view__.storage
        assert [(one.name, one.complete) for one in standing.others] == [(OLD.__view__.storage, True)]
        for view, wanted in ((OLD, older), (NEW, newer)):
            pages = await everything(datastore, view.__view__.collection)
            for page in pages.values():
                assert page.pop("version") > 0
            assert pages == wanted
            catalog = Catalog.of([view])
            async with Projector(datastore, catalog, sweep_seconds=0.05, switches=False) as projector:
                await projector.wait_rebuilt()
                await projector.wait_for(await datastore.ping())
            async with RemoteAsOf(datastore, name_for(catalog)) as as_of:
                audit = Audit(datastore, view, as_of, seconds=0)
                drifts = [drift async for some in audit.of(every_key(datastore, view)) for drift in some]
            assert (drifts, audit.behind) == ([], 0)
        assert await everything(datastore, REBUILDS) == {}
        assert await everything(datastore, UNCHECKED) == {}


async def everything(datastore: Datastore, collection: str) -> dict[str, Any]:
    async with datastore.snapshot() as snapshot:
        return {document.id: dict(document.data or {}) for document in await snapshot.query(Query(collection))}


async def lives(forker: Forker, url: str, place: Path, kill: str = "", trace: str = "") -> int:
    """One life that may be cut short, and the next one; how the first ended."""
    log = place / "log"
    outcome = forker.run(Life(url, str(log), kill=kill, trace=trace))
    assert outcome in {0, -signal.SIGKILL}, log.read_text()[-4000:]
    assert forker.run(Life(url, str(log), begins=False)) == 0, log.read_text()[-4000:]
    await check(url)
    return outcome


@pytest.mark.parametrize("point", POINTS, ids=str)
async def test_killed_around_any_step_the_next_life_switches(forker: Forker, tmp_path: Path, point: KillPoint) -> None:
    outcome = await lives(forker, f"sqlite:///{tmp_path / 'library.db'}", tmp_path, str(point))
    assert outcome == -signal.SIGKILL, "it was never at that point"


async def test_the_steps_are_those_that_there_are(forker: Forker, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    await lives(forker, f"sqlite:///{tmp_path / 'library.db'}", tmp_path, trace=str(trace))
    commits = {line for line in trace.read_text().splitlines() if line.startswith("commit")}
    assert commits - {"commit _bff_unchecked", "commit _bff_unchecked _bff_views"} == {FOLLOWED, BUILT, NOTED, STANDING}


async def test_killed_on_firestore_the_next_life_switches(forker: Forker, firestore_emulator: str, tmp_path: Path) -> None:
    url = f"firestore://faults-{uuid.uuid4().hex[:12]}?emulator={firestore_emulator}"
    assert await lives(forker, url, tmp_path, str(KillPoint("before", 2, STANDING))) == -signal.SIGKILL
