"""Values of a selection, compiled: what stands around the leaves, lists, unions and what may be null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLAbstractType

from bff.model.compounds import OBJ_TYPE
from bff.resolvers.links import ids_of
from bff.resolvers.plan.leaves import Complete
from bff.resolvers.plan.planning import Unanswerable
from bff.resolvers.plan.selection import NULL, Linked, Out, Plain, Selected, Write
from bff.resolvers.plan.texts import write as write_json
from bff.resolvers.plan.walk import Walk

__all__ = ["constant", "list_writer", "listed", "nullable", "nullable_writer", "of_ids", "one_of"]


def constant(name: str) -> Plain:
    """``__typename``."""
    return Plain(lambda source: name)


def nullable(complete: Complete, required: bool) -> Complete:
    """Null where there is nothing, if it may be. ``complete`` is not asked then."""

    def checked(value: Any) -> Any:
        if value is None:
            if required:
                raise Unanswerable("null where there must be a value")
            return None
        return complete(value)

    return checked


def nullable_writer(write: Write, required: bool) -> Write:
    """As ``nullable``, of what has links beneath it."""

    def checked(value: Any, walk: Walk, out: Out) -> None:
        if value is not None:
            write(value, walk, out)
        elif required:
            raise Unanswerable("null where there must be a value")
        else:
            out.append(NULL)

    return checked


def listed(complete: Complete, required: bool) -> Complete:
    """A list of what ``complete`` completes."""

    def items(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise Unanswerable(f"{type(value).__name__} is no list")
        return [complete(one) for one in value]

    return nullable(items, required)


def list_writer(write: Write, required: bool) -> Write:
    """As ``listed``, of what has links beneath it."""

    def items(value: Any, walk: Walk, out: Out) -> None:
        if not isinstance(value, list | tuple):
            raise Unanswerable(f"{type(value).__name__} is no list")
        lead = b"["
        for one in value:
            out.append(lead)
            write(one, walk, out)
            lead = b","
        out.append(b"[]" if lead == b"[" else b"]")

    return nullable_writer(items, required)


def one_of(members: Mapping[str, Selected], type_: GraphQLAbstractType) -> Selected:
    """A value that says of which type it is, as nested models of a union do."""

    def name_of(value: Any) -> str:
        name = value.get(OBJ_TYPE) if isinstance(value, Mapping) else None
        if not isinstance(name, str) or name not in members:
            raise Unanswerable(f"none of the types of {type_.name}")
        return name

    plain = {name: one for name, one in members.items() if isinstance(one, Plain)}
    if len(plain) == len(members):
        shape = "(" + "|".join(f"{name}{one.shape}" for name, one in sorted(plain.items())) + ")"
        completes = {name: one.complete for name, one in plain.items()}
        repeats = any(one.repeats for one in plain.values())
        return Plain(lambda value: completes[name_of(value)](value), shape, repeats)
    writes = {name: _written(one) for name, one in members.items()}
    return Linked(lambda value, walk, out: writes[name_of(value)](value, walk, out))


def _written(selected: Selected) -> Write:
    if isinstance(selected, Linked):
        return selected.write
    complete = selected.complete

    def write(value: Any, walk: Walk, out: Out) -> None:
        out.append(write_json(complete(value)))

    return write


def of_ids(complete: Complete) -> Complete:
    """The ids of the documents that stored paths lead to (``bff.resolvers.links.ref_resolver``)."""
    return lambda stored: complete(ids_of(stored))
