"""Calls the triggers of one mediator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from bff.datastore.port import Datastore
from bff.datastore.session import TransactionSession, transaction
from bff.document import Document, collection_of
from bff.errors import DatastoreUnavailable, OutcomeUnknown
from bff.matching import condition
from bff.model.domain_model import DomainModel
from bff.model.mediator import Mediator, SourceDefinition
from bff.projection.handled import MEDIATORS, Handled, What, what_happened
from bff.projection.handling import PAGE, Handling, HandlingOptions
from bff.projection.paging import pages, with_prefix
from bff.query import Query
from bff.types import Value
from bff.values import same_data

__all__ = ["Triggers"]


@dataclass(frozen=True, slots=True)
class _Source:
    """One source, ready to be asked."""

    declared: SourceDefinition
    matches: Callable[[str, Mapping[str, Value]], bool]

    def holds(self, document: Document) -> bool:
        return document.data is not None and self.declared.model.holds(document) and self.matches(document.path, document.data)


class Triggers(Handling):
    """One mediator's triggers (a Subject).

    What happens to a document happens to each source: one whose ``where`` it begins to satisfy sees it created, one whose it
    ceases to satisfy sees it deleted.
    """

    def __init__(self, datastore: Datastore, mediator: type[Mediator], options: HandlingOptions) -> None:
        self._mediator = mediator()
        definition = mediator.__mediator__
        self._collections: dict[str, list[_Source]] = {}
        self._groups: dict[str, list[_Source]] = {}
        for declared in definition.sources:
            collection = declared.model.__document__.collection
            where, name = (self._groups, collection.rpartition("/")[2]) if declared.group else (self._collections, collection)
            where.setdefault(name, []).append(_Source(declared, condition(declared.where)))
        super().__init__(datastore, definition.name, self._collections, options, groups=self._groups)

    async def replay(self) -> AsyncIterator[tuple[str, str | None]]:
        """Handle every document again that was handled: to the mediator, it is created once more.

        What is sent meanwhile is muted: it was sent when that version was handled. A version that was not handled yet is left to
        whoever follows. Yields each path, and what was raised: nothing of it was written then. Raises DatastoreUnavailable.
        """
        async for documents in pages(self._datastore, Query(MEDIATORS, with_prefix(MEDIATORS, self.name)), PAGE):
            for note in filter(None, map(Handled.from_document, documents)):
                if not note.seen or note.error is not None:
                    continue
                error: str | None = None
                try:
                    await transaction(self._datastore, partial(self._again, note.path))
                except (DatastoreUnavailable, OutcomeUnknown):
                    raise
                except Exception as raised:
                    error = f"{type(raised).__name__}: {raised}"
                yield note.path, error

    async def _again(self, path: str, session: TransactionSession) -> None:
        document, stored = await self.read(session, path)
        if stored is None or not document.exists or what_happened(document, stored) is not None:
            return
        session.muted = True
        after = await self.handle(session, document, None)
        if after != stored:
            self.write_note(session, path, after)

    def concerns(self, document: Document) -> bool:
        # One that ceased to match is told by its note alone.
        return any(source.declared.model.holds(document) for source in self._sources(document.path))

    async def handle(self, session: TransactionSession, document: Document, before: Handled | None) -> Handled | None:
        if what_happened(document, before) is None:
            return before
        sources = self._sources(document.path)
        was = self._members(before, sources)
        present: DomainModel | None = None
        for source in sources:
            what = _what(source.declared.name in was, source.holds(document))
            if what is None:
                continue
            if what == "delete":
                model = self._gone(source, document, before)
            else:
                model = present = self._placed(session.adopt(source.declared.model, document), document) or present
            if model is None:
                continue
            for trigger in source.declared.triggers:
                if trigger.kind in {what, "change"}:
                    await trigger.call(self._mediator, model)
        if document.data is None:
            return None
        # What the handler made of the document is its own doing, and no news to it: also that it is gone. What is there under
        # its id afterwards is another document, which is created.
        [left] = await session.unit.get([document.path])
        if not left.exists:
            return None
        data = document.data if present is None else present.to_data()
        members = [source.declared.name for source in sources if source.holds(Document(document.path, data))]
        if not members:
            return None
        return Handled(
            self.name,
            document.path,
            document.update_time,
            data if any(_keeps(source) for source in sources) else None,
            own=not same_data(data, document.data),
            sources=tuple(members) if any(source.declared.where is not None for source in sources) else None,
        )

    def _sources(self, path: str) -> list[_Source]:
        collection = collection_of(path)
        of_group = self._groups.get(collection.rpartition("/")[2], []) if self._groups else []
        return [*self._collections.get(collection, ()), *of_group]

    def _members(self, before: Handled | None, sources: list[_Source]) -> set[str]:
        """The sources that the document was one of when it was handled last."""
        if before is None:
            return set()
        if before.sources is not None:
            return set(before.sources)
        # It could not depend on what was in it, then.
        return {source.declared.name for source in sources if source.declared.where is None}

    def _gone(self, source: _Source, document: Document, before: Handled | None) -> DomainModel | None:
        if before is None or before.data is None:
            return None
        last = Document(document.path, before.data, before.seen)
        model = source.declared.model
        return self._placed(model.from_document(last), document) if model.holds(last) else None

    def _placed(self, model: DomainModel | None, document: Document) -> DomainModel | None:
        return None if model is None else model.placed(collection_of(document.path))


def _what(was: bool, present: bool) -> What | None:
    """What happened to a document, as far as one source is concerned."""
    if present:
        return "update" if was else "create"
    return "delete" if was else None


def _keeps(source: _Source) -> bool:
    """Whether any trigger will want to know what was deleted."""
    return any(trigger.kind in {"delete", "change"} for trigger in source.declared.triggers)
