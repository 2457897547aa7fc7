"""What ``bff doctor`` looks at: an app's deployment, from outside of its processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from bff.broadcast.connect import open_broadcast
from bff.broadcast.port import Broadcast
from bff.datastore.connect import open_datastore
from bff.datastore.port import Datastore
from bff.document import Document
from bff.errors import BFFError
from bff.model.catalog import Catalog
from bff.model.outbox_entry import OUTBOX
from bff.model.view_definition import BESIDE
from bff.projection.checkpoint import checkpoint_path, name_for
from bff.projection.dead import DeadCounts, DeadLetters
from bff.projection.definitions import Definitions
from bff.projection.handled import MEDIATORS, Handled
from bff.projection.paging import metadata_pages
from bff.projection.standing import Standings
from bff.query import PATH, Compare, Op, Order, Query
from bff.settings import Settings
from bff.types import Timepoint

__all__ = ["Finding", "examine"]

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, and whether it is well."""

    subject: str
    ok: bool
    text: str


async def examine(
    catalog: Catalog, settings: Settings, datastore: Datastore | None = None, broadcast: Broadcast | None = None
) -> list[Finding]:
    """Look at everything that the app stands on; adapters that are given stand in for those that the settings name.

    Nothing is written.
    """
    return [finding async for finding in _findings(catalog, settings, datastore, broadcast)]


async def _findings(
    catalog: Catalog, settings: Settings, datastore: Datastore | None, broadcast: Broadcast | None
) -> AsyncIterator[Finding]:
    yield Finding("app", True, f"{_count(len(catalog.views), 'view')}, {_count(len(catalog.mutations), 'mutation')}")
    try:
        async with broadcast or open_broadcast(settings.broadcast_url) as broadcast:
            await broadcast.ping()
            yield Finding("broadcast", True, broadcast.url)
    except BFFError as error:
        yield Finding("broadcast", False, str(error))
    async with AsyncExitStack() as stack:
        try:
            datastore = await stack.enter_async_context(datastore or open_datastore(settings.datastore_url))
            now = await datastore.ping()
        except BFFError as error:
            yield Finding("datastore", False, str(error))
            return
        yield Finding("datastore", True, datastore.url)
        yield await _projector(datastore, catalog, now)
        in_place = [view for view in catalog.views.values() if not view.__view__.beside]
        for view in await Definitions(datastore).outdated(in_place):
            yield Finding(
                "definition",
                False,
                f"{view.__view__.name} has changed since its views were built: run a projector, or bff rebuild",
            )
        async for finding in _beside(datastore, catalog):
            yield finding
        async for finding in _failing_views(datastore, catalog):
            yield finding
        async for finding in _failing_documents(datastore):
            yield finding
        async with datastore.snapshot() as snapshot:
            waiting = await snapshot.count(Query(OUTBOX, Compare("pending", Op.EQ, True)))
        known = ", ".join(effect.name for effect in catalog.effects) or "none"
        yield Finding("outbox", True, f"{_count(waiting, 'effect')} to be sent; the app's effects: {known}")
        yield _summary_of_dead(await DeadLetters(datastore).counts())


async def _projector(datastore: Datastore, catalog: Catalog, now: Timepoint) -> Finding:
    """How far projectors of this code have come. Mediators have other places, and so has code whose views are beside these."""
    async with datastore.snapshot() as snapshot:
        [checkpoint] = await snapshot.get([checkpoint_path(name_for(catalog))])
    point = (checkpoint.data or {}).get("timepoint")
    if not isinstance(point, int):
        which, lists = ("none of this code", "of former code") if catalog.beside else ("none", "empty")
        return Finding("projector", False, f"{which} has run yet: views are built when they are asked for, lists are {lists}")
    return Finding("projector", True, f"has seen everything up to {_time(point)}, {(now - point) / 1e6:.1f} s before now")


async def _beside(datastore: Datastore, catalog: Catalog) -> AsyncIterator[Finding]:
    """Views that are stored beside those of former code: which storage is current, and which others there are."""
    views = list(catalog.beside.values())
    if not views:
        return
    for view, standing in zip(views, await Standings(datastore).of(views), strict=True):
        definition, current = view.__view__, standing.current
        own = standing.find(definition.storage)
        others = ", ".join(f"{one.name} since {_time(one.since)}" for one in standing.others if one is not own)
        if own is not None and own is current:
            former = f"; former: {others} (bff rebuild --prune)" if others else ""
            yield Finding("definition", True, f"{own.name} is current since {_time(own.since)}{former}")
            continue
        lists = "there is no other" if current is None else f"lists are of {current.name}"
        if own is None:
            state = "is not being built: run a projector, or bff rebuild"
        elif own.complete:
            state = f"is complete since {_time(own.since)}, and not current: run a projector"
        else:
            state = f"is being built since {_time(own.since)}"
        yield Finding("definition", False, f"{definition.storage} {state}; {lists}")


async def _failing_views(datastore: Datastore, catalog: Catalog) -> AsyncIterator[Finding]:
    own = {view.__view__.storage for view in catalog.views.values()}
    found = []
    async for page in metadata_pages(datastore, Compare("failing", Op.EQ, True)):
        # Storages of other code are that code's concern.
        found += [metadata for metadata in page if BESIDE not in metadata.view or metadata.view in own]
        if len(found) > SHOWN:
            break
    found = found[: SHOWN + 1]
    for metadata in found[:SHOWN]:
        if metadata.failure is not None:
            failure = metadata.failure
            text = f"{failure.kind}: {failure.message} (since {_time(failure.since)}, {_count(failure.attempts, 'attempt')})"
            yield Finding(f"{metadata.view} {metadata.key}", False, text)
    yield _summary("views", "every one can be built", "cannot be built", len(found))


async def _failing_documents(datastore: Datastore) -> AsyncIterator[Finding]:
    found = [Handled.from_document(document) for document in await _failing(datastore, MEDIATORS)]
    for handled in found[:SHOWN]:
        if handled is not None:
            text = f"{handled.error} ({_count(handled.attempts, 'attempt')})"
            yield Finding(f"{handled.mediator} {handled.path}", False, text)
    yield _summary("mediators", "every document is handled, or about to be", "could not be handled", len(found))


def _summary_of_dead(counts: DeadCounts) -> Finding:
    if not counts.documents and not counts.effects:
        return Finding("set aside", True, "nothing failed too often")
    found = f"{_count(counts.documents, 'document')}, {_count(counts.effects, 'effect')}"
    return Finding("set aside", False, f"{found}; bff dead list shows them")


async def _failing(datastore: Datastore, collection: str) -> list[Document]:
    """What is marked as failing, at most one more than is shown."""
    async with datastore.snapshot() as snapshot:
        return await snapshot.query(Query(collection, Compare("failing", Op.EQ, True), (Order(PATH),), limit=SHOWN + 1))


def _summary(subject: str, well: str, ill: str, failing: int) -> Finding:
    if failing == 0:
        return Finding(subject, True, well)
    return Finding(subject, False, f"more than {SHOWN} {ill}; {SHOWN} are shown" if failing > SHOWN else f"{failing} {ill}")


def _time(timepoint: Timepoint) -> str:
    return datetime.fromtimestamp(timepoint / 1_000_000, UTC).isoformat(timespec="seconds")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
