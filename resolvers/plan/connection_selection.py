"""What an operation selects of a list, compiled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from graphql import FieldNode, GraphQLField, GraphQLObjectType, get_named_type

from bff.projection.stored_view import StoredView
from bff.resolvers.found_page import FoundPage
from bff.resolvers.plan.compiler import Compiler
from bff.resolvers.plan.planning import Unplannable
from bff.resolvers.plan.selection import NULL, Out, ViewSelection
from bff.resolvers.plan.texts import keep, write
from bff.resolvers.plan.walk import Walk

__all__ = ["ConnectionSelection"]

Edge: TypeAlias = tuple[bytes, ViewSelection | bytes | None]
"""The bytes before a field of an edge, and what it is: the node, ``__typename`` as JSON, or the cursor (None)."""

Part: TypeAlias = tuple[bytes, str, Any]
"""The bytes before a field of a connection, its name, and what is selected of it."""

_INFO: Final = {
    "hasNextPage": lambda page: page.has_next,
    "hasPreviousPage": lambda page: page.has_previous,
    "startCursor": lambda page: page.start,
    "endCursor": lambda page: page.end,
}


@dataclass(frozen=True, slots=True)
class ConnectionSelection:
    """``counts`` says that the total is selected, ``plain`` that there are no links beneath the nodes.

    ``repeats`` that something is shown twice. ``shape`` is the same text for the same selection, where ``plain``.
    """

    plain: bool
    counts: bool
    repeats: bool
    shape: str
    _parts: tuple[Part, ...]

    @classmethod
    def of(cls, compiler: Compiler, field: GraphQLField, nodes: list[FieldNode]) -> ConnectionSelection:
        """Raises Unplannable."""
        type_ = get_named_type(field.type)
        parts: list[Part] = []
        shapes: list[str] = []
        plain, repeats = True, False
        for lead, name, inner, owned in _fields(compiler, type_, nodes):
            shape = lead.decode() + name
            if owned is None:
                parts.append((lead, name, write(inner)))
            elif name == "edges":
                edges = _edges(compiler, owned, inner)
                selections = [one for _, one in edges if isinstance(one, ViewSelection)]
                plain = plain and all(one.plain for one in selections)
                repeats = repeats or len(selections) > 1 or any(one.repeats for one in selections)
                shape += "".join(before.decode() + (one.shape if isinstance(one, ViewSelection) else "") for before, one in edges)
                parts.append((lead, name, edges))
            elif name == "pageInfo":
                info = _page_info(compiler, owned, inner)
                shape += "".join(f"{response}:{one}" for response, one in info)
                parts.append((lead, name, info))
            elif name == "totalCount":
                parts.append((lead, name, None))
            else:
                raise Unplannable(f"{name} of a list")
            shapes.append(shape + ";")
        names = [name for _, name, _ in parts]
        repeats = repeats or names.count("edges") > 1
        return cls(plain, "totalCount" in names, repeats, "".join(shapes), tuple(parts))

    def write(self, page: FoundPage, count: int | None, walk: Walk, out: Out) -> None:
        """Write the page. Raises Unanswerable."""
        if not self._parts:
            out.append(b"{}")
            return
        for lead, name, inner in self._parts:
            out.append(lead)
            match name:
                case "edges":
                    _write_edges(inner, page, walk, out)
                case "pageInfo":
                    out.append(write({response: _info(page, one) for response, one in inner}))
                case "totalCount":
                    out.append(NULL if count is None else b"%d" % count)
                case _:
                    out.append(inner)
        out.append(b"}")


def _fields(compiler: Compiler, type_: Any, nodes: list[FieldNode]) -> list[tuple[bytes, str, Any, GraphQLField | None]]:
    """For each field the bytes before it, its name, its nodes and its definition; the type's name and None for ``__typename``."""
    if not isinstance(type_, GraphQLObjectType) or type_.is_type_of is not None:
        raise Unplannable(f"{type_} is told by hand")
    fields: list[tuple[bytes, str, Any, GraphQLField | None]] = []
    for response, inner in compiler.collect(type_, nodes).items():
        name = inner[0].name.value
        lead = b'%s"%s":' % (b"," if fields else b"{", response.encode())
        if name == "__typename":
            fields.append((lead, name, type_.name, None))
        else:
            fields.append((lead, name, inner, compiler.field(type_, name)))
    return fields


def _edges(compiler: Compiler, field: GraphQLField, nodes: list[FieldNode]) -> tuple[Edge, ...]:
    edges: list[Edge] = []
    for lead, name, inner, owned in _fields(compiler, get_named_type(field.type), nodes):
        if owned is None:
            edges.append((lead, write(inner)))
        elif name == "node":
            [selection] = compiler.views(owned.type, inner).values()
            edges.append((lead, selection))
        elif name == "cursor":
            edges.append((lead, None))
        else:
            raise Unplannable(f"{name} of an edge")
    return tuple(edges)


def _page_info(compiler: Compiler, field: GraphQLField, nodes: list[FieldNode]) -> tuple[tuple[str, str], ...]:
    type_ = get_named_type(field.type)
    info: list[tuple[str, str]] = []
    assert isinstance(type_, GraphQLObjectType)
    for response, inner in compiler.collect(type_, nodes).items():
        name = inner[0].name.value
        if name != "__typename" and (name not in _INFO or compiler.field(type_, name) is None):
            raise Unplannable(f"{name} of PageInfo")
        info.append((response, name))
    return tuple(info)


def _info(page: FoundPage, name: str) -> Any:
    return "PageInfo" if name == "__typename" else _INFO[name](page)


def _write_edges(edges: Sequence[Edge], page: FoundPage, walk: Walk, out: Out) -> None:
    before = b"["
    for index, view in enumerate(page.views):
        if view.document is None:
            continue
        out.append(before)
        before = b","
        for lead, what in edges:
            out.append(lead)
            if isinstance(what, ViewSelection):
                what.write(view, walk, out)
            else:
                out.append(_cursor(page, index, view) if what is None else what)
        out.append(b"}" if edges else b"{}")
    out.append(b"[]" if before == b"[" else b"]")


def _cursor(page: FoundPage, index: int, view: StoredView) -> bytes:
    """The cursor as JSON, remembered with the state that it is of."""
    if view.document is not page.places[index]:
        return write(page.cursor(index))
    text = view.texts.get(page.orders)
    if text is None:
        text = write(page.cursor(index))
        keep(view.texts, page.orders, text)
    return text
