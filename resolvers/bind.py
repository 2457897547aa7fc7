"""Gives a schema its resolvers, by name, and binds Ariadne's bindables on top of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from ariadne import SchemaBindable, repair_schema_default_enum_values, validate_schema_default_enum_values
from ariadne.executable_schema import normalize_bindables
from graphql import (
    GraphQLAbstractType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    GraphQLUnionType,
    default_field_resolver,
    default_type_resolver,
)

from bff.errors import DeclarationError
from bff.model.catalog import Catalog
from bff.resolvers.links import link_resolver, links_resolver, ref_resolver
from bff.resolvers.live_list import list_source
from bff.resolvers.mutation import mutation_resolver
from bff.resolvers.query import list_resolver, node_resolver, view_resolver
from bff.resolvers.sessions import wrap_resolver, wrap_source
from bff.resolvers.subscription import deliver, view_source
from bff.resolvers.update import update_resolver
from bff.resolvers.view_document import ViewDocument

__all__ = ["Bindable", "bind"]

Bindable = SchemaBindable | type[Enum]


def bind(schema: GraphQLSchema, catalog: Catalog, bindables: Sequence[Bindable | list[Bindable]] = ()) -> None:
    """Give the schema of this catalog its resolvers, then those of ``bindables``, which may replace them.

    Resolvers of bindables run where ``City.get`` and the like work. Every resolver expects ``info.context`` to be a Context.
    Raises DeclarationError where a bindable does not fit the schema.
    """
    _bind_operations(schema, catalog)
    for one in schema.type_map.values():
        if isinstance(one, GraphQLObjectType):
            _bind_fields(one, catalog)
        elif isinstance(one, GraphQLInterfaceType | GraphQLUnionType) and one.resolve_type is None:
            one.resolve_type = type_of
    before = {id(field): (field.resolve, field.subscribe) for field in _fields(schema)}
    serialising = {id(one): _serialising(one) for one in schema.type_map.values()}
    try:
        for bindable in normalize_bindables(*bindables):
            bindable.bind_to_schema(schema)
        if bindables:
            # Defaults that SDL gives as names of an enum become the values that an EnumType gives these names.
            validate_schema_default_enum_values(schema)
            repair_schema_default_enum_values(schema)
    except ValueError as error:
        raise DeclarationError("bindables", str(error)) from error
    for one in schema.type_map.values():
        if id(one) in serialising and serialising[id(one)] != _serialising(one):
            one.extensions["bff.stored"] = False
    for field in _fields(schema):
        resolve, subscribe = before.get(id(field), (None, None))
        # What follows from stored views alone, its ETag can be told from their versions.
        field.extensions["bff.stored"] = field.ast_node is None and field.resolve is resolve
        if field.resolve is not None and field.resolve is not resolve:
            field.resolve = wrap_resolver(field.resolve, _names(field))
        if field.subscribe is not None and field.subscribe is not subscribe:
            field.subscribe = wrap_source(field.subscribe, _names(field))


def type_of(value: Any, info: GraphQLResolveInfo, abstract: GraphQLAbstractType) -> Any:
    """The type of a view, or of a nested model of a union; of anything else, what graphql-core finds."""
    if isinstance(value, ViewDocument):
        return value.view
    if isinstance(value, Mapping) and isinstance(value.get("objType"), str):
        return value["objType"]
    return default_type_resolver(value, info, abstract)


def _bind_operations(schema: GraphQLSchema, catalog: Catalog) -> None:
    query = schema.query_type
    assert query is not None, "every app's schema has node(id:)"
    query.fields["node"].resolve = node_resolver(catalog)
    for view in catalog.views.values():
        definition = view.__view__
        query.fields[definition.query_name].resolve = view_resolver(view)
        query.fields[definition.list_name].resolve = list_resolver(view)
        if definition.has_setters and schema.mutation_type is not None:
            schema.mutation_type.fields[definition.update_name].resolve = update_resolver(view, catalog)
        if schema.subscription_type is not None:
            subscription = schema.subscription_type.fields[definition.query_name]
            subscription.subscribe, subscription.resolve = view_source(view), deliver
            live_list = schema.subscription_type.fields[definition.list_name]
            live_list.subscribe, live_list.resolve = list_source(view), deliver
    for name, mutation in catalog.mutations.items():
        assert schema.mutation_type is not None, "a schema with mutations has a type for them"
        field = schema.mutation_type.fields[name]
        field.resolve = mutation_resolver(mutation, catalog, field.extensions.get("bff.success"))


def _bind_fields(one: GraphQLObjectType, catalog: Catalog) -> None:
    """Links and refs, which the schema marks, and everything else that is read by its name."""
    for field in one.fields.values():
        link = field.extensions.get("bff.link")
        if link is not None:
            field.resolve = link_resolver(catalog.views[link], nullable=not isinstance(field.type, GraphQLNonNull))
        elif field.extensions.get("bff.links"):
            field.resolve = links_resolver(catalog, nullable=not isinstance(field.type, GraphQLNonNull))
        elif field.extensions.get("bff.ref"):
            field.resolve = ref_resolver
        elif field.resolve is None and field.ast_node is None:
            # Said outright: fallback resolvers, which know other names, are for what is written by hand.
            field.resolve = default_field_resolver


def _names(field: GraphQLField) -> set[str]:
    """What its arguments are called, as its resolver gets them."""
    return {argument.out_name or name for name, argument in field.args.items()}


def _serialising(one: GraphQLNamedType) -> tuple[Any, Any]:
    """How values of a type are told, and written: bindables may replace it."""
    return getattr(one, "resolve_type", None), getattr(one, "serialize", None)


def _fields(schema: GraphQLSchema) -> list[GraphQLField]:
    return [
        field
        for one in schema.type_map.values()
        if isinstance(one, GraphQLObjectType) and not one.name.startswith("__")
        for field in one.fields.values()
    ]
