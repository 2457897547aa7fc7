"""A library whose code has changed: its views are rebuilt while it is written to, in processes that are killed."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from bff.datastore.port import Datastore, Set
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from bff.projection.projector import Projector
from bff.projection.rebuild import RebuildProgress, rebuild
from bff.query import Query
from tests.faults.forked import work_off
from tests.faults.killing import KILL, TRACE, KillingDatastore

__all__ = [
    "AUTHORS",
    "BOOKS",
    "NEW",
    "Author",
    "Book",
    "BookStore",
    "Life",
    "keep_writing",
    "new",
    "old",
    "work",
    "write",
    "written",
]

BOOKS = 60
AUTHORS = 6
PAGE = 10
LIFE_SECONDS = 60


class Author(DomainModel, collection="authors"):
    name: str


class Book(DomainModel, collection="books"):
    title: str
    author: Ref[Author]


class BookStore(Store):
    book = reference(Book)
    author = reference(Author, of=lambda s: s.book.author)


def old(*, beside: bool = False) -> type[ViewModel]:
    class BookPage(ViewModel, beside=beside):
        store: BookStore

        @field
        def title(self) -> str:
            return self.store.book.title

    return BookPage


def new(*, beside: bool = False) -> type[ViewModel]:
    class BookPage(ViewModel, beside=beside):
        store: BookStore

        @field
        def title(self) -> str:
            return self.store.book.title.upper()

        @field
        def author(self) -> str:
            return self.store.author.name

    return BookPage


OLD, NEW = old(), new()


@dataclass(frozen=True)
class Life:
    """One that begins with old views (where it ``begins``), rebuilds them while they change, and may be killed meanwhile.

    ``report`` is told how the rebuild began and ended.
    """

    url: str
    log: str
    begins: bool = True
    kill: str = ""
    trace: str = ""
    report: str = ""


def work() -> None:
    """Work off the jobs on standard input."""
    work_off(
        Life,
        _run,
        log=lambda job: job.log,
        environment=lambda job: {"BFF_DATASTORE_URL": job.url, KILL: job.kill, TRACE: job.trace},
        seconds=LIFE_SECONDS,
    )


def written(number: int, round: int) -> Book:
    return Book(id=f"b{number:02}", title=f"title {number} {round}", author=Author.ref(f"a{number % AUTHORS}"))


async def _run(life: Life) -> None:
    async with KillingDatastore() as datastore:
        if life.begins:
            authors = [Author(id=f"a{number}", name=f"name {number}") for number in range(AUTHORS)]
            await write(datastore.inner, *authors, *(written(number, 0) for number in range(BOOKS)))
            await rebuild(datastore.inner, [OLD])
        # The projector's own calls kill nobody: it is the rebuild that is interrupted.
        catalog = Catalog.of([OLD] if life.begins else [NEW])
        async with Projector(datastore.inner, catalog, mixed_seconds=0.05) as projector:
            writing = asyncio.create_task(keep_writing(datastore.inner))
            told: list[RebuildProgress] = []
            await rebuild(datastore, [NEW], resume=True, page=PAGE, on_progress=told.append)
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing
            if life.begins:
                return
            await projector.wait_rebuilt()
            # What old code has built meanwhile, past where the rebuild was.
            while await _of_old_code(datastore.inner):  # noqa: ASYNC110 - what is waited for is a state, not an event
                await asyncio.sleep(0.02)
            await projector.wait_for(await write(datastore.inner, Author(id="a0", name="the last")))
        if life.report:
            text = json.dumps([asdict(told[0]), asdict(told[-1])])
            await asyncio.to_thread(Path(life.report).write_text, text)


async def _of_old_code(datastore: Datastore) -> bool:
    async with datastore.snapshot() as snapshot:
        stored = await snapshot.query(Query("_bff_views"), ("definition",))
    return any((document.data or {})["definition"] != NEW.__view__.definition_hash for document in stored)


async def keep_writing(datastore: Datastore) -> None:
    """Books and authors change, come and go, until it is cancelled."""
    for round in range(1, 1_000_000):
        for number in range(0, BOOKS, 7):
            await write(datastore, written(number, round), Author(id=f"a{number % AUTHORS}", name=f"name {number} {round}"))
        await write(datastore, written(BOOKS + round % 5, round))


async def write(datastore: Datastore, *models: DomainModel) -> int:
    return (await datastore.commit([Set(model.path, model.to_data()) for model in models])).timepoint
