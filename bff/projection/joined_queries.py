"""Queries that differ in one value only, asked as one: ``meeting == m1`` and ``meeting == m2`` as ``meeting in [m1, m2]``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from bff.datastore.port import Reader
from bff.document import Document
from bff.errors import DatastoreUnavailable, OutcomeUnknown
from bff.query import MAX_DISJUNCTION, PATH, And, Compare, Filter, Op, Query, conjuncts
from bff.together import together
from bff.values import field_value

__all__ = ["Found", "ask", "read_both"]

Found: TypeAlias = "list[Document] | Exception"
"""The results of a query in its order, or what is wrong with it."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What queries must have in common to be asked as one: all but the value of ``field``."""

    collection: str
    group: bool
    field: str
    others: tuple[tuple[str, type, str | int], ...]
    """The type beside the value: to Python 1 and True are equal."""


async def ask(reader: Reader, queries: Sequence[Query]) -> list[Found]:
    """The results of each. Raises DatastoreUnavailable, OutcomeUnknown."""
    if len(queries) == 1:
        return await _alone(reader, queries[0])
    alike: dict[_Kind, dict[str, list[int]]] = {}
    alone: list[int] = []
    for index, query in enumerate(queries):
        split = _split(query)
        if split is None:
            alone.append(index)
        else:
            alike.setdefault(split[0], {}).setdefault(split[1], []).append(index)
    groups = [[index] for index in alone]
    works = [_alone(reader, queries[index]) for index in alone]
    for kind, by_value in alike.items():
        for values in _some(list(by_value)):
            groups += [by_value[value] for value in values]
            works.append(_joined(reader, kind, {value: queries[by_value[value][0]] for value in values}))
    found: dict[int, Found] = {}
    results = [one for some in await together(*works) for one in some]
    for group, result in zip(groups, results, strict=True):
        found.update(dict.fromkeys(group, result))
    return [found[index] for index in range(len(queries))]


async def read_both(reader: Reader, paths: Sequence[str], queries: Sequence[Query]) -> tuple[list[Document], list[Found]]:
    """The documents of these paths, and beside them the results of each query. Raises DatastoreUnavailable, OutcomeUnknown."""
    if not queries:
        return await reader.get(paths) if paths else [], []
    if not paths:
        return [], await ask(reader, queries)
    if getattr(reader, "serial", False):
        # A task for each costs more than most of these reads, and lets others in between.
        return await reader.get(paths), await ask(reader, queries)
    both: list[Any] = await together(reader.get(paths), ask(reader, queries))
    return both[0], both[1]


async def _joined(reader: Reader, kind: _Kind, by_value: Mapping[str, Query]) -> list[Found]:
    queries = list(by_value.values())
    if len(queries) == 1:
        return await _alone(reader, queries[0])
    within: Filter = Compare(kind.field, Op.IN, list(by_value))
    if kind.others:
        within = And((within, *(Compare(field, Op.EQ, operand) for field, _, operand in kind.others)))
    try:
        documents = await reader.query(replace(queries[0], where=within))
    except (DatastoreUnavailable, OutcomeUnknown):
        raise
    except Exception:
        # What is wrong is said of each.
        return [one for query in queries for one in await _alone(reader, query)]
    by: dict[object, list[Document]] = {value: [] for value in by_value}
    for document in documents:
        by[field_value(document.data or {}, kind.field)].append(document)
    return list(by.values())


async def _alone(reader: Reader, query: Query) -> list[Found]:
    try:
        return [await reader.query(query)]
    except (DatastoreUnavailable, OutcomeUnknown):
        raise
    except Exception as error:
        return [error]


def _some(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), MAX_DISJUNCTION):
        yield values[start : start + MAX_DISJUNCTION]


def _split(query: Query) -> tuple[_Kind, str] | None:
    """The first text that it compares with, and the rest of it; None where it is not made of equalities alone.

    A limit is of the results of each, and so are cursors: such queries are asked as they are, and those with orders of their own.
    """
    if query.limit is not None or query.order_by or query.start is not None or query.end is not None:
        return None
    parts = conjuncts(query.where)
    value: tuple[str, str] | None = None
    others: list[tuple[str, type, str | int]] = []
    for part in parts:
        if not isinstance(part, Compare) or part.op is not Op.EQ or part.field == PATH:
            return None
        operand = part.operand
        if type(operand) is str and value is None:
            value = part.field, operand
        elif type(operand) is str or type(operand) is int or type(operand) is bool:
            others.append((part.field, type(operand), operand))
        else:
            return None
    if value is None:
        return None
    return _Kind(query.collection, query.group, value[0], tuple(others)), value[1]
