"""The execution of queries, on one connection and within one transaction: blocking, as ``reading``."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, TypeAlias

from bff.datastore.sqlite.equality import documents_equal, equality
from bff.datastore.sqlite.keys import is_cut
from bff.datastore.sqlite.names import PATH_FIELD, Names, group_scope
from bff.datastore.sqlite.pace import HERE_DOCUMENTS, UNHURRIED, Pace
from bff.datastore.sqlite.part import Part, part_of
from bff.datastore.sqlite.plan import Conjunction, Source, alternatives, others, plans
from bff.datastore.sqlite.reading import padded, path_of
from bff.document import Document
from bff.errors import InvalidQuery
from bff.matching import Condition, condition, in_cursors, order_position, sort_key
from bff.query import PATH, Direction, Order, Query, leaves
from bff.unqueried import UNQUERIED

__all__ = ["count_results", "run_query"]

Row: TypeAlias = tuple[Any, ...]
"""An entry's key (or what else found the document), then its path, update time, and the cells of its data (``Part``)."""

Position: TypeAlias = tuple[bytes, ...]
Found: TypeAlias = tuple[Position, Document]

IDS_PER_STATEMENT = 128
FEW = 512
"""So few documents are sorted rather than looked for in order."""


def run_query(
    connection: sqlite3.Connection, names: Names, query: Query, fields: Sequence[str] | None = None, pace: Pace = UNHURRIED
) -> list[Document]:
    """The results, in the query's order. Raises InvalidQuery."""
    equal = equality(query) if fields is None else None
    if equal is not None:
        return documents_equal(connection, names, query.collection, equal, query.limit, pace)
    orders = query.full_order()
    # What decides about a result is read, too, and then left out.
    part = part_of(fields if fields is None else {*fields, *fields_of(query, orders)})
    run = QueryRun(connection, names, query, orders, part, pace)
    return [document.only(fields) for document in run.results(run.planned())]


def count_results(connection: sqlite3.Connection, names: Names, query: Query, pace: Pace = UNHURRIED) -> int:
    """How many results there are; from the index alone where that decides. Raises InvalidQuery."""
    orders = query.full_order()
    run = QueryRun(connection, names, query, orders, part_of(fields_of(query, orders)), pace)
    planned = run.planned()
    if len(planned) == 1 and (counted := run.counted(planned[0])) is not None:
        return counted if query.limit is None else min(counted, query.limit)
    return sum(1 for _ in run.results(planned))


def fields_of(query: Query, orders: Sequence[Order]) -> set[str]:
    """The top-level fields that decide whether a document is a result, and which."""
    names = {*(compare.field for compare in leaves(query.where)), *(order.field for order in orders)} - {PATH}
    return {name.partition(".")[0] for name in names}


class QueryRun:
    """One execution of a query."""

    def __init__(
        self, connection: sqlite3.Connection, names: Names, query: Query, orders: tuple[Order, ...], part: Part, pace: Pace
    ) -> None:
        _check_indexed(query, orders)
        self._connection = connection
        self._part = part
        self._names = names
        self._query = query
        self._orders = orders
        self._pace = pace
        self._holds: Condition = condition(query.where)
        self._within: Callable[[Position], bool] = in_cursors(query, orders)
        self._has_cursors = query.start is not None or query.end is not None

    def planned(self) -> list[Conjunction]:
        return plans(self._query, self._orders)

    def results(self, planned: Sequence[Conjunction]) -> Iterator[Document]:
        scopes = self.scopes()
        keys = alternatives(planned)
        few = None if keys is None else self._few(planned, keys, scopes)
        if few is not None:
            return islice(few, self._query.limit)
        if len(planned) * len(scopes) == 1:
            return islice((document for _, document in self.stream(planned[0], scopes[0], alone=True)), self._query.limit)
        return self._merged([self.stream(one, scope) for one in planned for scope in scopes])

    def _merged(self, streams: Iterable[Iterator[Found]]) -> Iterator[Document]:
        last, count = None, 0
        for _, document in merge(*streams, key=itemgetter(0)):
            if document.path == last:
                continue  # found by another conjunction too; its position is the same, so they come one after the other
            last = document.path
            yield document
            count += 1
            if count == self._query.limit:
                return

    def _few(self, planned: Sequence[Conjunction], keys: Sequence[bytes], scopes: Sequence[int]) -> Iterator[Document] | None:
        """The results of conjunctions of one point each that differ in its key alone; None where they are many.

        Where they are few, as those of most ``array-contains-any`` are, two statements find them instead of one per key.
        """
        found: dict[bytes, int] = {}
        first = planned[0]
        [point] = first.points
        wanted = [*keys, *[keys[-1]] * (padded(len(keys)) - len(keys))]
        for scope in scopes:
            parameters: list[Any] = [scope, self._field(point.field), point.kind, *wanted]
            bounds = _bounds("e.path", first.paths, parameters)
            rows = self._connection.execute(
                "SELECT e.path, e.document FROM entries AS e"
                f" WHERE e.scope = ? AND e.field = ? AND e.kind = ? AND e.key IN ({','.join('?' * len(wanted))}){bounds} LIMIT ?",
                [*parameters, FEW + 1],
            ).fetchall()
            if len(rows) > FEW:
                return None
            found.update(rows)
        ordered = sorted(found, reverse=first.by.direction is Direction.DESCENDING)
        return self._by_id([found[path] for path in ordered], told=all(one.told_by_entries for one in planned))

    def _by_id(self, ids: Sequence[int], *, told: bool) -> Iterator[Document]:
        """The results among these documents, in their order."""
        if min(len(ids), self._query.limit or len(ids)) > HERE_DOCUMENTS:
            self._pace.long()
        size = IDS_PER_STATEMENT if self._query.limit is None else min(IDS_PER_STATEMENT, padded(self._query.limit))
        for start in range(0, len(ids), size):
            some = ids[start : start + size]
            room = padded(len(some))
            rows = self._connection.execute(
                f"SELECT d.id, d.path, d.update_time{self._part.columns('d.data')} FROM documents AS d"
                f" WHERE d.id IN ({','.join('?' * room)})",
                [*some, *[some[-1]] * (room - len(some))],
            )
            by_id = {row[0]: row for row in rows}
            for _, document in self._results((by_id[id] for id in some), told=told, alone=True):
                yield document

    def counted(self, planned: Conjunction) -> int | None:
        """How many results a conjunction has, None where its documents must be looked at to tell."""
        if self._query.start is not None or self._query.end is not None or not planned.told_by_entries:
            return None
        source = planned.ranges[0] if planned.ranges else planned.points[0] if planned.points else planned.paths
        count = 0
        for scope in self.scopes():
            sql, parameters = self._where(planned, source, scope)
            count += self._connection.execute(f"SELECT count(*) FROM entries AS e WHERE {sql}", parameters).fetchone()[0]
        return count

    def scopes(self) -> list[int]:
        wanted = [self._query.collection, group_scope(self._query.collection)] if self._query.group else [self._query.collection]
        found = [self._names.find_scope(self._connection, name) for name in wanted]
        return [scope for scope in found if scope is not None]

    def stream(self, planned: Conjunction, scope: int, *, alone: bool = False) -> Iterator[Found]:
        """The results of a conjunction, in order, read as they are asked for; ``alone`` where no others are merged with them."""
        source = self._choose(planned, scope)
        told = planned.told_by_entries and (not planned.ranges or planned.ranges == (source,))
        descending = planned.by.direction is Direction.DESCENDING
        rows = self._rows(planned, source, scope, descending)
        if source is planned.ordered or (planned.ordered is None and source.is_point):
            if planned.by.field == PATH:
                return self._results(rows, told=told, alone=alone)
            return self._in_order(rows, exact=planned.exact, told=told, alone=alone)
        return iter(sorted(self._results(rows, told=told), key=itemgetter(0)))

    def _in_order(self, rows: Iterable[Row], *, exact: bool, told: bool, alone: bool) -> Iterator[Found]:
        """Rows that come in the first order: within equal keys, sorted by the other orders."""
        for key, equal in groupby(rows, key=itemgetter(0)):
            if exact and not is_cut(key):
                yield from self._results(equal, told=told, alone=alone)
            else:
                yield from sorted(self._results(equal, told=told), key=itemgetter(0))

    def _results(self, rows: Iterable[Row], *, told: bool, alone: bool = False) -> Iterator[Found]:
        """The results among the rows. ``told``: their entries say that they all are; ``alone``: nobody asks for positions."""
        nowhere = alone and not self._has_cursors
        for _, key, update_time, *cells in rows:
            self._pace.tick()
            path, data = path_of(key), self._part.load(cells)
            if not told and not self._holds(path, data):
                continue
            if nowhere and told:
                yield (), Document(path, data, update_time)
                continue
            position = order_position(self._orders, path, data)
            if position is not None and self._within(in_order := sort_key(self._orders, position)):
                yield in_order, Document(path, data, update_time)

    def _choose(self, planned: Conjunction, scope: int) -> Source:
        """The source to read: with a limit, the one in order unless another is small; without one, the smallest."""
        candidates = [*planned.points, *planned.ranges]
        if not candidates or planned.paths.low == planned.paths.high is not None:
            return planned.paths
        if planned.paths.low is not None or planned.paths.high is not None:
            candidates.append(planned.paths)
        if planned.ordered is not None and planned.ordered not in candidates:
            candidates.append(planned.ordered)
        if len(candidates) == 1:
            return candidates[0]
        in_order = planned.ordered
        size = 32
        while True:
            for candidate in candidates:
                if self._count(candidate, planned.paths, scope, size) < size:
                    return candidate
            if self._query.limit is not None and size >= FEW and in_order is not None:
                return in_order
            size *= 16

    def _count(self, source: Source, paths: Source, scope: int, most: int) -> int:
        sql, parameters = self._range(source, paths, scope)
        counting = f"SELECT count(*) FROM (SELECT 1 FROM entries AS e WHERE {sql} LIMIT ?)"
        return int(self._connection.execute(counting, [*parameters, most]).fetchone()[0])

    def _rows(self, planned: Conjunction, source: Source, scope: int, descending: bool) -> Iterable[Row]:
        sql, parameters = self._where(planned, source, scope)
        direction = "DESC" if descending else "ASC"
        # CROSS JOIN: SQLite keeps the order of the tables, and so the entries decide the order of the rows.
        return self._connection.execute(
            f"SELECT e.key, d.path, d.update_time{self._part.columns('d.data')}"
            " FROM entries AS e CROSS JOIN documents AS d ON d.id = e.document"
            f" WHERE {sql} ORDER BY e.key {direction}, e.path {direction}",
            parameters,
        )

    def _where(self, planned: Conjunction, source: Source, scope: int) -> tuple[str, list[Any]]:
        """The entries of the source whose documents have the other points, too."""
        sql, parameters = self._range(source, planned.paths, scope)
        for point in others(planned.points, source):
            sql += " AND EXISTS (SELECT 1 FROM entries AS x WHERE x.scope = ? AND x.field = ? AND x.kind = ? AND x.key = ?"
            sql += " AND x.path = e.path)"
            parameters += [scope, self._field(point.field), point.kind, point.low]
        return sql, parameters

    def _range(self, source: Source, paths: Source, scope: int) -> tuple[str, list[Any]]:
        sql = "e.scope = ? AND e.field = ? AND e.kind = ?"
        parameters: list[Any] = [scope, self._field(source.field), source.kind]
        if source.field == PATH:
            sql += " AND e.key = ?"
            parameters.append(b"")
        elif source.is_point:
            sql += " AND e.key = ?"
            parameters.append(source.low)
        else:
            sql += _bounds("e.key", source, parameters)
        sql += _bounds("e.path", source if source.field == PATH else paths, parameters)
        return sql, parameters

    def _field(self, name: str) -> int:
        """The id of a field; -1 where no document ever had it."""
        if name == PATH:
            return PATH_FIELD
        found = self._names.find_field(self._connection, name)
        return -1 if found is None else found


def _check_indexed(query: Query, orders: Sequence[Order]) -> None:
    unqueried = UNQUERIED.get(query.collection)
    named = () if unqueried is None else sorted(unqueried & fields_of(query, orders))
    if named:
        raise InvalidQuery(f"{query.collection}: {', '.join(named)}: no index holds this, on any datastore: read the documents")


def _bounds(column: str, source: Source, parameters: list[Any]) -> str:
    sql = ""
    if source.low is not None:
        sql += f" AND {column} {'>=' if source.include_low else '>'} ?"
        parameters.append(source.low)
    if source.high is not None:
        sql += f" AND {column} {'<=' if source.include_high else '<'} ?"
        parameters.append(source.high)
    for key in source.without:
        sql += f" AND {column} <> ?"
        parameters.append(key)
    return sql
