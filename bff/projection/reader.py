"""Reads stored views; one that is missing is built and stored first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bff.datastore.port import Datastore
from bff.document import Document
from bff.errors import BFFError, BuildError, DatastoreError
from bff.model.catalog import Catalog
from bff.model.view_model import ViewModel
from bff.projection.former_list import as_own, in_former
from bff.projection.stored_view import StoredView, view_path
from bff.query import Query
from bff.types import Timepoint, Value

if TYPE_CHECKING:
    from bff.projection.builder import Builder, Built
    from bff.projection.standing import Storage
    from bff.projection.storages import Storages

__all__ = ["Found", "ViewReader", "is_whole"]

VERSION = "version"


@dataclass(frozen=True, slots=True)
class Found:
    """What a read found at ``timepoint``: each document as it is stored, and the view to show for it.

    They differ where the document is of older code: ``views`` then holds what was built instead, without a document where that
    could not be built or is no more.
    """

    documents: Sequence[Document]
    views: Sequence[StoredView]
    timepoint: Timepoint


class ViewReader:
    """What queries, subscriptions and mutations read views through.

    Beside a projector of the same process take its ``views``: the two then share what they know.

    While ``storages`` waits for a view, perhaps nobody keeps up what this code has stored of it: it is built each time that it is
    asked for, and which views there are, and in which order, is asked of the storage of former code.
    """

    def __init__(
        self, datastore: Datastore, catalog: Catalog, *, builder: Builder | None = None, storages: Storages | None = None
    ) -> None:
        self._datastore = datastore
        self._catalog = catalog
        if builder is None:
            # Here, so that an app can be declared, whose resolvers know readers, without all that builds views.
            from bff.projection.builder import Builder

            builder = Builder(datastore)
        self._builder = builder
        self.news = self._builder.news
        self._storages = storages

    @property
    def builder(self) -> Builder:
        """What builds the views that are not stored, and counts that."""
        return self._builder

    async def read(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView]:
        """The views as they are stored, in one read; those that are not stored, or of an older shape, are built and stored.

        Raises BadUserInput where a key cannot be one of this view, BuildError where a view has never been built and cannot be,
        DatastoreUnavailable.
        """
        found = await self.read_each(view, keys)
        return [_or_raise(one) for one in found]

    async def read_each(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView | BFFError]:
        """As ``read``, with what is wrong with a single view in its place. Raises DatastoreUnavailable."""
        definition = view.__view__
        results: dict[str, StoredView | BFFError] = {}
        paths: dict[str, str] = {}
        for key in keys:
            try:
                view.split_key(key)
                paths[key] = view_path(definition.collection, key)
            except BFFError as error:
                results[key] = error
        if paths and not self._waits(view):
            async with self._datastore.snapshot() as snapshot:
                documents = await snapshot.get(list(paths.values()))
            for key, document in zip(paths, documents, strict=True):
                if is_whole(view, document.data):
                    results[key] = state = _stored(view, key, document)
                    self.news.seen(view, state)
        missing = [key for key in paths if key not in results]
        if missing:
            for key, built in zip(missing, await self._builder.build(view, missing), strict=True):
                results[key] = _outcome(view, built)
        return [results[key] for key in keys]

    async def read_as_missing(self, view: type[ViewModel], keys: Sequence[str], *, known: bool) -> None:
        """Make the reads that views which are not there are looked for with, for nobody: of views that somebody may not see.

        ``known`` are views that were not even read to find that out. Raises DatastoreUnavailable.
        """
        paths = [view_path(view.__view__.collection, key) for key in keys]
        if known:
            async with self._datastore.snapshot() as snapshot:
                await snapshot.get(paths, ())
        await self._builder.look(view, keys)

    async def fresh(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView]:
        """The views as of now: built from a snapshot that sees every commit before this call, stored, and returned.

        Raises BadUserInput, BuildError, DatastoreUnavailable.
        """
        return [_or_raise(one) for one in await self.fresh_each(view, keys)]

    async def fresh_each(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView | BFFError]:
        """As ``fresh``, with the BuildError of a single view in its place. Raises BadUserInput, DatastoreUnavailable."""
        for key in keys:
            view.split_key(key)
            view_path(view.__view__.collection, key)
        built = await self._builder.build(view, keys)
        return [one.view if one.error is None else _as_bff_error(one.error) for one in built]

    async def find(self, query: Query, view: type[ViewModel]) -> list[StoredView]:
        """The stored views that a query over the view's collection finds, in its order, one for each result.

        An outdated one that cannot be built, or is no more, has no document: it is not answered half, and a page that is cut
        from the results still knows how many there were. Raises InvalidQuery.
        """
        return list((await self.find_at(query, view)).views)

    async def find_at(self, query: Query, view: type[ViewModel]) -> Found:
        """As ``find``, with the timepoint at which these were the results. Raises InvalidQuery, DatastoreUnavailable."""
        former = self._former(view)
        asked = query if former is None else in_former(query, view, former)
        async with self._datastore.snapshot() as snapshot:
            documents = await snapshot.query(asked)
            timepoint = snapshot.timepoint
        if former is not None:
            documents = [as_own(document, view) for document in documents]
        return Found(documents, await self._whole(view, documents, anew=former is not None), timepoint)

    async def read_at(self, view: type[ViewModel], keys: Sequence[str]) -> Found:
        """The views of these keys as they are stored at a timepoint. One that is not stored is not built: it has no document.

        Raises BadUserInput where a key cannot be one, DatastoreUnavailable.
        """
        if self._former(view) is not None:
            for state in await self.read_each(view, keys):
                if isinstance(state, DatastoreError):
                    raise state
        async with self._datastore.snapshot() as snapshot:
            documents = await snapshot.get([view_path(view.__view__.collection, key) for key in keys])
            timepoint = snapshot.timepoint
        stored = [document for document in documents if document.data is not None]
        whole = {one.key: one for one in await self._whole(view, stored)}
        name = view.__view__.name
        return Found(documents, [whole.get(key) or StoredView(name, key, 0, None) for key in keys], timepoint)

    async def versions(self, view: type[ViewModel], keys: Sequence[str]) -> list[Timepoint | None]:
        """The versions of the stored views, in one read that leaves their fields where they are; nothing is built.

        None where no view is stored: it may be absent, or not built yet. A stored one may be of older code, and ``read`` would
        then build it again: whoever concludes from versions alone also compares ``view.__view__.definition_hash``.

        Raises BadUserInput where a key cannot be one of this view, DatastoreUnavailable.
        """
        for key in keys:
            view.split_key(key)
        paths = [view_path(view.__view__.collection, key) for key in keys]
        if not paths:
            return []
        if self._waits(view):
            return [None for _ in keys]
        async with self._datastore.snapshot() as snapshot:
            return [_version(document) for document in await snapshot.get(paths, (VERSION,))]

    async def find_versions(self, query: Query, view: type[ViewModel]) -> list[tuple[str, Timepoint | None]]:
        """The key and the version of each stored view that a query finds, in its order; as ``versions`` has them.

        Raises InvalidQuery, DatastoreUnavailable.
        """
        if self._former(view) is not None:
            return [(state.key, state.version if state.exists else None) for state in await self.find(query, view)]
        async with self._datastore.snapshot() as snapshot:
            return [(document.id, _version(document)) for document in await snapshot.query(query, (VERSION,))]

    async def count(self, query: Query, view: type[ViewModel]) -> int:
        """How many stored views a query over the view's collection finds, each as it is stored. Raises InvalidQuery."""
        former = self._former(view)
        asked = query if former is None else in_former(query, view, former)
        async with self._datastore.snapshot() as snapshot:
            return await snapshot.count(asked)

    def _waits(self, view: type[ViewModel]) -> bool:
        return self._storages is not None and view in self._storages.waiting

    def _former(self, view: type[ViewModel]) -> Storage | None:
        """What to list the view by while its own storage is not complete."""
        return None if self._storages is None else self._storages.waiting.get(view)

    async def _whole(self, view: type[ViewModel], documents: Sequence[Document], *, anew: bool = False) -> list[StoredView]:
        """The views that these documents hold; those of older code are built anew."""
        outdated = [document.id for document in documents if anew or not is_whole(view, document.data)]
        rebuilt = dict(zip(outdated, await self.read_each(view, outdated), strict=True)) if outdated else {}
        found = [rebuilt.get(document.id) or self._seen(view, document) for document in documents]
        return [
            one if isinstance(one, StoredView) else StoredView(view.__view__.name, document.id, document.update_time, None)
            for one, document in zip(found, documents, strict=True)
        ]

    def _seen(self, view: type[ViewModel], document: Document) -> StoredView:
        state = _stored(view, document.id, document)
        self.news.seen(view, state)
        return state


def _version(document: Document) -> Timepoint | None:
    version = None if document.data is None else document.data.get(VERSION)
    return version if isinstance(version, int) else None


def is_whole(view: type[ViewModel], data: Mapping[str, Value] | None) -> bool:
    """Whether a document has every field that the view has now: in one of older code some may be missing, or of another type."""
    return data is not None and all(
        field.document_name in data and field.codec.shape.holds(data[field.document_name])
        for field in view.__view__.stored.values()
    )


def _stored(view: type[ViewModel], key: str, document: Document) -> StoredView:
    assert document.data is not None
    version = document.data["version"]
    assert isinstance(version, int)
    return StoredView(view.__view__.name, key, version, document.data)


def _outcome(view: type[ViewModel], built: Built) -> StoredView | BFFError:
    """A view whose newest build failed is answered with its last good value, if that has all that the view has now."""
    if built.error is None:
        return built.view
    document = built.view.document
    if document is not None and is_whole(view, document):
        return built.view
    return _as_bff_error(built.error)


def _or_raise(one: StoredView | BFFError) -> StoredView:
    if isinstance(one, BFFError):
        raise one
    return one


def _as_bff_error(error: Exception) -> BFFError:
    if isinstance(error, BFFError):
        return error
    wrapped = BuildError(f"{type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped
