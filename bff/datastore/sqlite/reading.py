"""Reads on one connection, within one transaction: blocking, so for worker threads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import groupby
from typing import Any, TypeAlias

from bff.datastore.sqlite.index import MAX_KEY_BYTES
from bff.datastore.sqlite.names import Names, group_scope
from bff.datastore.sqlite.part import Part, part_of
from bff.datastore.sqlite.plan import Conjunction, Source, conjunctions, others, plan
from bff.datastore.sqlite.schema import PATH_FIELD
from bff.document import Document
from bff.matching import Condition, condition, in_cursors, order_position, sort_key
from bff.order_key import path_key
from bff.query import PATH, Direction, Order, Query, leaves
from bff.types import Timepoint

__all__ = ["count_results", "path_of", "read_clock", "read_documents", "run_query"]

Row: TypeAlias = tuple[Any, ...]
"""An entry's key, then its document's path, update time, and the cells of its data (``Part``)."""

Position: TypeAlias = tuple[bytes, ...]
Found: TypeAlias = tuple[Position, Document]

PATHS_PER_STATEMENT = 500
FEW = 512
"""So few documents are sorted rather than looked for in order."""


def path_of(key: bytes) -> str:
    """The path of which this is the order key (``bff.values.path_key``)."""
    return key.replace(b"\x00", b"/").decode()


def read_clock(connection: sqlite3.Connection) -> Timepoint:
    """The last commit that this transaction sees."""
    return int(connection.execute("SELECT last FROM clock").fetchone()[0])


def read_documents(connection: sqlite3.Connection, paths: Sequence[str], fields: Sequence[str] | None = None) -> list[Document]:
    """The documents, in the order of their paths, absent ones too."""
    found: dict[str, Document] = {}
    part = part_of(fields)
    wanted = list(dict.fromkeys(paths))
    for start in range(0, len(wanted), PATHS_PER_STATEMENT):
        keys = [path_key(path) for path in wanted[start : start + PATHS_PER_STATEMENT]]
        # A power of two of parameters, so that there are ten statements to prepare and not five hundred.
        room = 1 << (len(keys) - 1).bit_length()
        rows = connection.execute(
            f"SELECT path, update_time{part.columns('data')} FROM documents WHERE path IN ({','.join('?' * room)})",
            keys + [keys[-1]] * (room - len(keys)),
        )
        for key, update_time, *cells in rows:
            path = path_of(key)
            found[path] = Document(path, part.load(cells), update_time).only(fields)
    return [found.get(path) or Document(path, None) for path in paths]


def run_query(connection: sqlite3.Connection, names: Names, query: Query, fields: Sequence[str] | None = None) -> list[Document]:
    """The results, in the query's order. Raises InvalidQuery."""
    orders = query.full_order()
    # What decides about a result is read, too, and then left out.
    part = part_of(fields if fields is None else {*fields, *fields_of(query, orders)})
    run = QueryRun(connection, names, query, orders, part)
    return [document.only(fields) for document in run.results(run.planned())]


def count_results(connection: sqlite3.Connection, names: Names, query: Query) -> int:
    """How many results there are; from the index alone where that decides. Raises InvalidQuery."""
    orders = query.full_order()
    run = QueryRun(connection, names, query, orders, part_of(fields_of(query, orders)))
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

    def __init__(self, connection: sqlite3.Connection, names: Names, query: Query, orders: tuple[Order, ...], part: Part) -> None:
        self._connection = connection
        self._part = part
        self._names = names
        self._query = query
        self._orders = orders
        self._holds: Condition = condition(query.where)
        self._within: Callable[[Position], bool] = in_cursors(query, orders)

    def planned(self) -> list[Conjunction]:
        found = (plan(self._query, conjunction, self._orders) for conjunction in conjunctions(self._query.where))
        return [planned for planned in found if planned is not None]

    def results(self, planned: Iterable[Conjunction]) -> Iterator[Document]:
        streams = [self.stream(one, scope) for one in planned for scope in self.scopes()]
        last, count = None, 0
        for _, document in merge(*streams, key=lambda found: found[0]):
            if document.path == last:
                continue  # found by another conjunction too; its position is the same, so they come one after the other
            last = document.path
            yield document
            count += 1
            if count == self._query.limit:
                return

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

    def stream(self, planned: Conjunction, scope: int) -> Iterator[Found]:
        """The results of a conjunction, in order, read as they are asked for."""
        source = self._choose(planned, scope)
        descending = planned.by.direction is Direction.DESCENDING
        rows = self._rows(planned, source, scope, descending)
        if source is planned.ordered or (planned.ordered is None and source.is_point):
            return self._results(rows) if planned.by.field == PATH else self._in_order(rows, exact=planned.exact)
        return iter(sorted(self._results(rows), key=lambda found: found[0]))

    def _in_order(self, rows: Iterable[Row], *, exact: bool) -> Iterator[Found]:
        """Rows that come in the first order: within equal keys, sorted by the other orders."""
        for key, equal in groupby(rows, key=lambda row: row[0]):
            if exact and len(key) < MAX_KEY_BYTES:
                yield from self._results(equal)
            else:
                yield from sorted(self._results(equal), key=lambda found: found[0])

    def _results(self, rows: Iterable[Row]) -> Iterator[Found]:
        for _, key, update_time, *cells in rows:
            path, data = path_of(key), self._part.load(cells)
            if not self._holds(path, data):
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
