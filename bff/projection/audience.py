"""What of the stored views somebody may see: the one place where readers are compared with who asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bff.errors import BFFError
from bff.model.readers import READERS, stored_readers, tokens_of
from bff.model.view_model import ViewModel
from bff.principal import Principal
from bff.projection.stored_view import StoredReaders, StoredView
from bff.query import And, Compare, Op, Query
from bff.types import Value

__all__ = ["Audience"]


class Audience:
    """All principals who are the same to every view: ``tokens`` is what they are (``bff.model.readers``)."""

    __slots__ = ("_operand", "tokens")

    def __init__(self, tokens: frozenset[str]) -> None:
        self.tokens = tokens
        self._operand: list[Value] = [*sorted(tokens)]

    @classmethod
    def of(cls, principal: Principal) -> Audience:
        return cls(tokens_of(principal))

    def may_read(self, view: type[ViewModel], state: StoredView) -> bool:
        """Whether they may see this state of a view. One that is not there hides nothing."""
        if not view.__view__.has_readers or state.document is None:
            return True
        return not (state.texts.readers or _found_readers(view, state)).view.isdisjoint(self.tokens)

    def shown(self, view: type[ViewModel], state: StoredView) -> StoredView:
        """What they are shown of a state: the same object where that is all of it, without what they may not see otherwise.

        That is the same object for all who may not see the same. A view that they may not see has no document, as one that is
        not there.
        """
        if state.document is None or not view.__view__.is_restricted:
            return state
        # A change has a thousand of these calls: who may see a state is found out of its document once.
        readers, tokens = state.texts.readers or _found_readers(view, state), self.tokens
        if view.__view__.has_readers and readers.view.isdisjoint(tokens):
            return StoredView(state.view, state.key, state.version, None)
        if not readers.fields:
            return state
        hidden = tuple([name for name, allowed in readers.fields if allowed.isdisjoint(tokens)])
        return state.without(hidden) if hidden else state

    @staticmethod
    def hidden(states: Sequence[StoredView | BFFError], shown: Sequence[StoredView | BFFError]) -> list[str]:
        """The keys of those states that are ``shown`` as if they were not there."""
        pairs = zip(states, shown, strict=True)
        return [
            one.key
            for one, seen in pairs
            if seen is not one and isinstance(one, StoredView) and isinstance(seen, StoredView) and seen.document is None
        ]

    def restricted(self, view: type[ViewModel], query: Query) -> Query:
        """The query, of those views alone that they may see: pages stay full, and what is counted is what they may see."""
        if not view.__view__.has_readers:
            return query
        readers = Compare(READERS, Op.ARRAY_CONTAINS_ANY, self._operand)
        match query.where:
            case None:
                where: And | Compare = readers
            case And(parts):
                where = And((*parts, readers))
            case other:
                where = And((other, readers))
        return replace(query, where=where)


def _found_readers(view: type[ViewModel], state: StoredView) -> StoredReaders:
    document = state.document
    assert document is not None, "what is not there has no readers"
    fields = tuple((name, stored_readers(document.get(readers))) for name, readers in view.__view__.restricted.items())
    found = state.texts.readers = StoredReaders(stored_readers(document.get(READERS)), fields)
    return found
