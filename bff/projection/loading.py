"""Loads what stores refer to, level by level, each level in one read for every view that is loaded with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

from bff.datastore.port import Reader
from bff.document import Document
from bff.errors import BuildError
from bff.model.compounds import OBJ_TYPE
from bff.model.domain_model import DomainModel
from bff.model.find import Find
from bff.model.ref import Ref
from bff.model.store import NotLoaded, ReferenceDefinition, Store
from bff.model.view_model import ViewModel
from bff.projection.dependencies import Dependencies, QueryRead
from bff.projection.joined_queries import read_both
from bff.query import Query
from bff.storable import check_path
from bff.types import Timepoint

__all__ = ["Loading", "load"]

Paths = list[str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one reference needs: these documents, or the results of this query."""

    reference: ReferenceDefinition
    paths: tuple[str, ...] = ()
    query: Query | None = None


class Loading:
    """One view's store while it is loaded; afterwards ``values`` and ``dependencies``, or ``error``.

    ``absent`` says that a root does not exist: nothing else is loaded then. An ``of`` or a ``where`` that fails because a
    document it goes through does not exist gives None, or no documents.
    """

    def __init__(self, view: type[ViewModel], key: str, root_paths: tuple[str, ...] | None = None) -> None:
        """``root_paths`` are the documents that the key names, for whoever has them. Raises BadUserInput."""
        self.view = view
        self.key = key
        self.values: dict[str, Any] = {}
        self.inputs: dict[str, str] = {}
        self.error: Exception | None = None
        self.absent = False
        self.ahead: list[str] = []
        """The paths that references gave, but for the roots: a later build can read them first, before it knows that it will."""
        self._documents: dict[str, Timepoint] = {}
        self._queries: list[QueryRead] = []
        self._levels = 0
        definition = view.__view__
        store = definition.store.__store__
        self._store: type[Store] = definition.store
        self._max_depth = definition.max_depth
        self._pending: dict[str, ReferenceDefinition] = {one.name: one for one in store.references}
        self.root_paths = definition.root_paths(key) if root_paths is None else root_paths
        self._roots = dict(zip((root.name for root in store.roots), self.root_paths, strict=True))

    @property
    def dependencies(self) -> Dependencies:
        return Dependencies(dict(self._documents), tuple(self._queries))

    def wanted(self) -> list[Wanted]:
        """What the next level reads; nothing when all is loaded."""
        if self.is_loaded:
            return []
        try:
            wanted = self._level()
            if wanted:
                self._levels += 1
                if self._levels > self._max_depth:
                    names = ", ".join(one.reference.name for one in wanted)
                    raise BuildError(f"{self._where}: {names}: deeper than {self._max_depth} levels of references (max_depth)")
            elif self._pending:
                raise BuildError(f"{self._where}: {', '.join(self._pending)}: these references wait for each other")
        except Exception as error:
            self.error = error
            return []
        return wanted

    @property
    def is_loaded(self) -> bool:
        """Whether nothing is left to read."""
        return self.error is not None or self.absent or not self._pending

    def supply(self, one: Wanted, found: Sequence[Document] | Exception) -> None:
        """What was read for a reference: its documents in order, or the query's results, or why it could not be."""
        if isinstance(found, Exception):
            self.error = self.error or found
            return
        reference = one.reference
        self._pending.pop(reference.name, None)
        if one.query is not None:
            self._queries.append(QueryRead.of(one.query, found))
        elif not reference.is_root:
            self.ahead += one.paths
        self._documents.update([(one.path, 0 if one.data is None else one.update_time) for one in found])
        try:
            models = self._models(reference.model, found)
        except Exception as error:
            self.error = self.error or error
            return
        present = [model for model in models if model is not None]
        self.values[reference.name] = present if reference.many else next(iter(models), None)
        self.inputs[reference.name] = _digest(found)
        if reference.is_root and not present:
            self.absent = True

    @property
    def _where(self) -> str:
        return f"{self.view.__view__.name} {self.key!r}"

    def _level(self) -> list[Wanted]:
        if not self._levels:
            return [Wanted(one, (self._roots[one.name],)) for one in self._pending.values() if one.is_root]
        wanted = []
        for reference in self._pending.values():
            try:
                wanted.append(self._ask(reference))
            except NotLoaded:
                continue
        return wanted

    def _ask(self, reference: ReferenceDefinition) -> Wanted:
        """Evaluate the ``of`` or ``where`` of a reference. Raises NotLoaded where it needs one that is still to come."""
        through: set[str] = set()
        store = self._store(self.values, through.add)
        try:
            if reference.where is not None:
                return Wanted(reference, query=_query(reference, reference.where(store)))
            assert reference.of is not None
            return Wanted(reference, tuple(_paths(reference.of(store))))
        except NotLoaded:
            raise
        except Exception as error:
            if isinstance(error, AttributeError | TypeError) and any(self.values.get(name, self) is None for name in through):
                return Wanted(reference)
            lambda_ = "where" if reference.where is not None else "of"
            raise BuildError(
                f"{self._where}: the {lambda_} of {self._store.__name__}.{reference.name} raised {type(error).__name__}: {error}"
            ) from error

    def _models(self, model: type[DomainModel], found: Sequence[Document]) -> list[DomainModel | None]:
        """The documents as the model; None for one that does not exist, or is of another subclass than was asked for."""
        name, plain = model.__name__, model.__document__.plain_reader
        models: list[DomainModel | None] = []
        for document in found:
            data = document.data
            made = None
            # Most are of the very class. What is unusual about one is found out, and said, by the class itself.
            if plain is not None and data is not None and data.get(OBJ_TYPE) == name:
                made = plain(document, data)
            models.append(self._model(model, document) if made is None else made)
        return models

    def _model(self, model: type[DomainModel], document: Document) -> DomainModel | None:
        if not model.holds(document):
            return None
        try:
            return model.from_document(document)
        except Exception as error:
            raise BuildError(f"{self._where}: {document.path} cannot be read as {model.__name__}: {error}") from error


async def _look_later(loading: Loading) -> None:
    """For who looks at what was loaded when all of it is."""


async def load(
    loadings: Iterable[Loading],
    reader: Reader,
    known: Mapping[str, Document] | None = None,
    on_loaded: Callable[[Loading], Awaitable[None]] = _look_later,
) -> None:
    """Load these to their end: one ``get`` a level, with the level's queries beside it. ``known`` documents are not read again.

    ``on_loaded`` is given each as soon as it is loaded, so that what it was loaded with need not stay in memory until then.
    What goes wrong for one of them is its ``error``. Raises DatastoreUnavailable, which goes wrong for all.
    """
    left = dict.fromkeys(loadings)
    documents: dict[str, Document] = dict(known or {})
    while True:
        level: list[tuple[Loading, Wanted]] = []
        for loading in left:
            wanted = loading.wanted()
            level += [(loading, one) for one in wanted]
            if not wanted:
                await on_loaded(loading)
        if not level:
            return
        left = dict.fromkeys(loading for loading, _ in level)
        paths = list(dict.fromkeys(path for _, one in level for path in one.paths if path not in documents))
        asked = [(loading, one, one.query) for loading, one in level if one.query is not None]
        got, results = await read_both(reader, paths, [query for _, _, query in asked])
        documents.update([(document.path, document) for document in got])
        for (loading, one, _), found in zip(asked, results, strict=True):
            loading.supply(one, found)
            if not isinstance(found, Exception):
                documents.update([(document.path, document) for document in found])
        rest: dict[Loading, list[Wanted]] = {}
        for loading, one in level:
            if one.query is None:
                rest.setdefault(loading, []).append(one)
        for loading, wanted in rest.items():
            for one in wanted:
                loading.supply(one, [documents[path] for path in one.paths])
            if loading.is_loaded:
                del left[loading]
                await on_loaded(loading)


def _query(reference: ReferenceDefinition, asked: Any) -> Query:
    find = asked if isinstance(asked, Find) else Find(reference.model).where(asked)
    query = find.to_query()
    return query if reference.many or query.limit is not None else replace(query, limit=1)


def _paths(asked: Any) -> Paths:
    if asked is None:
        return []
    if isinstance(asked, Ref | DomainModel):
        # Whoever writes documents by hand may have written a Ref that is none ("users/"): the datastore would refuse the read
        # of all that is read along with it.
        return [check_path(asked.path)]
    if isinstance(asked, str | bytes) or not isinstance(asked, Iterable):
        raise TypeError(f"expected a Ref, a document, None or a list of them, got {type(asked).__name__}")
    return [path for one in asked for path in _paths(one)]


def _digest(documents: Sequence[Document]) -> str:
    """Equal as long as the documents are the same ones in the same state."""
    states = "".join([f"{one.path}\x00{one.update_time if one.data is not None else 0}\x00" for one in documents])
    return blake2b(states.encode(), digest_size=16).hexdigest()
