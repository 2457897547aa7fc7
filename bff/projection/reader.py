"""Reads stored views; one that is missing is built and stored first."""

from __future__ import annotations

from collections.abc import Sequence

from bff.datastore.port import Datastore
from bff.document import Document
from bff.errors import BFFError, BuildError
from bff.model.catalog import Catalog
from bff.model.view_model import ViewModel
from bff.projection.builder import Builder, Built
from bff.projection.stored_view import StoredView, view_path
from bff.query import Query

__all__ = ["ViewReader"]


class ViewReader:
    """What queries, subscriptions and mutations read views through.

    Beside a projector of the same process take its ``views``: the two then share what they know.
    """

    def __init__(self, datastore: Datastore, catalog: Catalog, *, builder: Builder | None = None) -> None:
        self._datastore = datastore
        self._catalog = catalog
        self._builder = builder or Builder(datastore)

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
        if paths:
            async with self._datastore.snapshot() as snapshot:
                documents = await snapshot.get(list(paths.values()))
            for key, document in zip(paths, documents, strict=True):
                if _is_whole(view, document):
                    results[key] = _stored(view, key, document)
        missing = [key for key in paths if key not in results]
        if missing:
            for key, built in zip(missing, await self._builder.build(view, missing), strict=True):
                results[key] = _outcome(view, built)
        return [results[key] for key in keys]

    async def fresh(self, view: type[ViewModel], keys: Sequence[str]) -> list[StoredView]:
        """The views as of now: built from a snapshot that sees every commit before this call, stored, and returned.

        Raises BadUserInput, BuildError, DatastoreUnavailable.
        """
        for key in keys:
            view.split_key(key)
            view_path(view.__view__.collection, key)
        built = await self._builder.build(view, keys)
        for one in built:
            if one.error is not None:
                raise _as_bff_error(one.error)
        return [one.view for one in built]

    async def find(self, query: Query, view: type[ViewModel]) -> list[StoredView]:
        """The stored views that a query over the view's collection finds, in its order, one for each result.

        An outdated one that cannot be built, or is no more, has no document: it is not answered half, and a page that is cut
        from the results still knows how many there were. Raises InvalidQuery.
        """
        async with self._datastore.snapshot() as snapshot:
            documents = await snapshot.query(query)
        outdated = [document.id for document in documents if not _is_whole(view, document)]
        rebuilt = dict(zip(outdated, await self.read_each(view, outdated), strict=True)) if outdated else {}
        found = [rebuilt.get(document.id) or _stored(view, document.id, document) for document in documents]
        return [
            one if isinstance(one, StoredView) else StoredView(view.__view__.name, document.id, document.update_time, None)
            for one, document in zip(found, documents, strict=True)
        ]


def _is_whole(view: type[ViewModel], document: Document) -> bool:
    """Whether the document has every field that the view has now: one of older code may lack some."""
    return document.data is not None and all(field.document_name in document.data for field in view.__view__.fields.values())


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
    if document is not None and _is_whole(view, Document("", document)):
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
