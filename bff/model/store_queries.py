"""The queries that a Store makes, as far as its declaration tells them."""

from __future__ import annotations

from dataclasses import dataclass

from bff.errors import BFFError
from bff.model.condition import Condition
from bff.model.find import Find
from bff.model.probe import Probe
from bff.model.store import Store
from bff.query import Query

__all__ = ["StoreQueries", "store_queries"]


@dataclass(frozen=True, slots=True)
class StoreQueries:
    """Queries whose operands are stand-ins; ``unknown`` are the references whose ``where=`` cannot be evaluated on stand-ins."""

    queries: tuple[Query, ...]
    unknown: tuple[str, ...]


def store_queries(store: type[Store]) -> StoreQueries:
    """What the ``where=`` of a store's references ask. Each is evaluated on stand-ins that are true, then on false ones."""
    references = store.__store__.references
    queries: dict[Query, None] = {}
    unknown: list[str] = []
    for one in references:
        if one.where is None:
            continue
        found: list[Query] = []
        for truth in (True, False):
            try:
                probes = {other.name: Probe(truth, "", other.model, other.many) for other in references}
                asked = one.where(store(probes))
                if isinstance(asked, Condition | Find):
                    find = asked if isinstance(asked, Find) else one.model.where(asked)
                    found.append(find.to_query())
            except (BFFError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError):
                continue  # not with a stand-in
        if not found:
            unknown.append(f"{store.__name__}.{one.name}")
        queries.update(dict.fromkeys(found))
    return StoreQueries(tuple(queries), tuple(unknown))
