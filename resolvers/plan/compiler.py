"""Compiles what an operation selects beneath a view: types and selections in, functions over what is stored out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
)
from graphql.execution.collect_fields import collect_sub_fields

from bff.model.catalog import Catalog
from bff.model.view_model import ViewModel
from bff.resolvers.plan.leaves import leaf
from bff.resolvers.plan.link_writers import keys_of, kinds_of, one_link, several_links
from bff.resolvers.plan.planning import STORED, Unanswerable, Unplannable
from bff.resolvers.plan.selection import (
    Field,
    Linked,
    Out,
    Plain,
    Run,
    Selected,
    ViewSelection,
    fields_of,
    projection,
)
from bff.resolvers.plan.value_writers import constant, list_writer, listed, nullable, nullable_writer, of_ids, one_of
from bff.resolvers.plan.walk import Walk

__all__ = ["Compiler"]

MOST: Final = 5_000
"""So many fields are compiled for one operation: beneath interfaces each is one for every type."""

Nodes: TypeAlias = list[FieldNode]


class Compiler:
    """Of one operation, with its ``@skip`` and ``@include`` decided: ``conditions`` has the values of their variables.

    ``compiled`` is how many fields it has come to so far. Everything here raises Unplannable.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        catalog: Catalog,
        fragments: Mapping[str, FragmentDefinitionNode],
        conditions: Mapping[str, bool],
    ) -> None:
        self.schema = schema
        self.catalog = catalog
        self.fragments = dict(fragments)
        self.conditions = dict(conditions)
        self.compiled = 0
        # Fragments that are spread twice would multiply the work at every level.
        self._views: dict[tuple[Any, ...], ViewSelection] = {}
        self._objects: dict[tuple[Any, ...], Selected] = {}

    def collect(self, type_: GraphQLObjectType, nodes: Nodes) -> dict[str, Nodes]:
        """The fields beneath these, merged, by the name that the response has for them."""
        collected = collect_sub_fields(self.schema, self.fragments, self.conditions, type_, nodes)
        self.compiled += len(collected)
        if self.compiled > MOST:
            raise Unplannable("it selects too much")
        return collected

    def views(self, type_: GraphQLOutputType, nodes: Nodes) -> dict[str, ViewSelection]:
        """What is selected of each view that a field may lead to, by the view's name."""
        named = get_named_type(type_)
        return {one.name: self._view(one, nodes) for one in self._possible(named)}

    def field(self, owner: GraphQLObjectType, name: str) -> GraphQLField:
        """The field of a type, which follows from what is stored."""
        field: GraphQLField | None = owner.fields.get(name)
        if field is None or not field.extensions.get(STORED):
            raise Unplannable(f"{owner.name}.{name} is resolved by hand")
        if not get_named_type(field.type).extensions.get(STORED, True):
            raise Unplannable(f"values of {field.type} are told by hand")
        return field

    def _view(self, type_: GraphQLObjectType, nodes: Nodes) -> ViewSelection:
        key = (type_.name, *map(id, nodes))
        made = self._views.get(key)
        if made is None:
            view = self.catalog.views.get(type_.name)
            if view is None:
                raise Unplannable(f"{type_.name} is no view")
            made = self._views[key] = ViewSelection.of(view, self._fields(type_, nodes))
        return made

    def _possible(self, named: Any) -> Sequence[GraphQLObjectType]:
        if isinstance(named, GraphQLObjectType):
            return [named]
        if isinstance(named, GraphQLInterfaceType | GraphQLUnionType):
            return self.schema.get_possible_types(named)
        raise Unplannable(f"{named} has no fields")

    def _fields(self, type_: GraphQLObjectType, nodes: Nodes) -> list[Field]:
        if type_.is_type_of is not None:
            raise Unplannable(f"values of {type_.name} are told by hand")
        return [self._field(type_, response, inner) for response, inner in self.collect(type_, nodes).items()]

    def _field(self, owner: GraphQLObjectType, response: str, nodes: Nodes) -> Field:
        name = nodes[0].name.value
        if name == "__typename":
            return Field(response, name, constant(owner.name))
        field = self.field(owner, name)
        if field.args:
            raise Unplannable(f"{owner.name}.{name} takes arguments")
        return Field(response, name, self._selected(field, nodes))

    def _selected(self, field: GraphQLField, nodes: Nodes) -> Selected:
        link = field.extensions.get("bff.link")
        if link is not None or field.extensions.get("bff.links"):
            return self._link(field.type, nodes, None if link is None else self.catalog.views[link])
        if field.extensions.get("bff.ref"):
            plain = self._value(field.type, nodes)
            if not isinstance(plain, Plain):
                raise Unplannable("a ref is an id")
            return Plain(of_ids(plain.complete), plain.shape)
        return self._value(field.type, nodes)

    # --- Values

    def _value(self, type_: Any, nodes: Nodes, *, required: bool = False) -> Selected:
        match type_:
            case GraphQLNonNull():
                return self._value(type_.of_type, nodes, required=True)
            case GraphQLScalarType() | GraphQLEnumType():
                return Plain(leaf(type_, required=required))
            case GraphQLList():
                item = self._value(type_.of_type, nodes)
                if isinstance(item, Plain):
                    return Plain(listed(item.complete, required), item.shape, item.repeats)
                return Linked(list_writer(item.write, required))
            case _:
                made = self._object(type_, nodes)
                if isinstance(made, Plain):
                    return Plain(nullable(made.complete, required), made.shape, made.repeats)
                return Linked(nullable_writer(made.write, required))

    def _object(self, type_: Any, nodes: Nodes) -> Selected:
        key = (type_.name, *map(id, nodes))
        made = self._objects.get(key)
        if made is None:
            if isinstance(type_, GraphQLObjectType):
                made = self._of_type(type_, nodes)
            else:
                made = one_of({one.name: self._of_type(one, nodes) for one in self._possible(type_)}, type_)
            self._objects[key] = made
        return made

    def _of_type(self, type_: GraphQLObjectType, nodes: Nodes) -> Selected:
        if type_.name in self.catalog.views:
            raise Unplannable("a view is never stored in another one")
        fields = self._fields(type_, nodes)
        if all(isinstance(one.selected, Plain) for one in fields):
            return projection(fields)
        parts = fields_of(type_.name, fields)

        def write(source: Any, walk: Walk, out: Out) -> None:
            if not isinstance(source, Mapping):
                raise Unanswerable(f"{type(source).__name__} is no object")
            for part in parts:
                if isinstance(part, Run):
                    part.write(source, walk, out)
                else:
                    lead, name, write_field = part
                    out.append(lead)
                    write_field(source.get(name), walk, out)
            out.append(b"}")

        return Linked(write)

    # --- Links

    def _link(self, type_: GraphQLOutputType, nodes: Nodes, view: type[ViewModel] | None) -> Selected:
        required = isinstance(type_, GraphQLNonNull)
        inner: Any = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        selections = self.views(inner, nodes)
        find = keys_of(view, selections) if view is not None else kinds_of(selections)
        if not isinstance(inner, GraphQLList):
            return Linked(one_link(find, required))
        item = inner.of_type.of_type if isinstance(inner.of_type, GraphQLNonNull) else inner.of_type
        if isinstance(item, GraphQLList):
            raise Unplannable("lists of lists of links are not stored")
        return Linked(several_links(find, required))
