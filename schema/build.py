"""The schema of an app: graphene reflects the declarations, hand-written SDL extends it."""

# mypy: untyped-calls-exclude=graphene
from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, cast

import graphene
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    validate_schema,
)

from bff.errors import DeclarationError
from bff.model.catalog import Catalog
from bff.schema.extension import extend
from bff.schema.filters import Filters
from bff.schema.inputs import Inputs
from bff.schema.names import TypeNames
from bff.schema.operations import Operations
from bff.schema.scalars import SPECIFIED_BY
from bff.schema.types import Types

__all__ = ["build_schema"]


def build_schema(catalog: Catalog, type_defs: str | Sequence[str] | None = None) -> GraphQLSchema:
    """The executable schema of a catalog, extended by ``type_defs``; ``bff.resolvers.bind`` gives it resolvers.

    Every value is resolved from its stored form. ``GraphQLField.extensions`` marks the fields that are not what is stored:
    ``bff.link`` holds the name of the view that a key leads to, ``bff.links`` stands at keys that name their view as well
    (``Circle:c1``), ``bff.ref`` at paths of domain documents; ``bff.max_age`` says for how many seconds a value may be shown
    without asking again. The same declarations give the same schema, in the same order. Raises DeclarationError.
    """
    types = Types(TypeNames())
    inputs = Inputs(types)
    operations = Operations(catalog, types, inputs, Filters(types))
    query, mutation, subscription = operations.query(), operations.mutation(), operations.subscription()
    inputs.finish()
    types.finish()
    reflected = graphene.Schema(query=query, mutation=mutation, subscription=subscription, auto_camelcase=False)
    schema: GraphQLSchema = reflected.graphql_schema
    _strip(schema, types.marks)
    texts = [type_defs] if isinstance(type_defs, str) else list(type_defs or ())
    if texts:
        schema = extend(schema, texts)
    # Last of all: extending a schema makes its types anew, from graphql-core's own classes.
    _serialise_stored(schema, {one._meta.name: enum for enum, one in types.enums.items()})
    for name in inputs.one_of:
        cast(GraphQLInputObjectType, schema.type_map[name]).is_one_of = True
    problems = validate_schema(schema)
    if problems:
        raise DeclarationError("the GraphQL schema", "; ".join(problem.message for problem in problems))
    return schema


def _strip(schema: GraphQLSchema, marks: Mapping[tuple[str, str], Mapping[str, Any]]) -> None:
    """Take graphene's own resolvers off: documents are read by field name, inputs are plain dicts by GraphQL name."""
    for name, one in schema.type_map.items():
        if name.startswith("__"):
            continue
        match one:
            case GraphQLObjectType() | GraphQLInterfaceType():
                for field_name, field in one.fields.items():
                    field.resolve = field.subscribe = None
                    field.extensions.update(marks.get((name, field_name), {}))
                    for argument in field.args.values():
                        argument.out_name = None
                if isinstance(one, GraphQLObjectType):
                    one.is_type_of = None
                else:
                    one.resolve_type = None
            case GraphQLUnionType():
                one.resolve_type = None
            case GraphQLInputObjectType():
                one.out_type = GraphQLInputObjectType.out_type  # type: ignore[method-assign]
                for input_field in one.fields.values():
                    input_field.out_name = None
            case GraphQLScalarType():
                one.specified_by_url = SPECIFIED_BY.get(name, one.specified_by_url)
            case _:
                pass


def _serialise_stored(schema: GraphQLSchema, enums: Mapping[str, type[Enum]]) -> None:
    """Have enums serialise stored values as well as members, and know each value by one name."""
    for name, enum in enums.items():
        one = cast(GraphQLEnumType, schema.type_map[name])
        for alias in [alias for alias, member in enum.__members__.items() if member.name != alias]:
            one.values.pop(alias, None)
        # An instance attribute, as GraphQLScalarType has it, before the method of the class.
        one.__dict__["serialize"] = _Serialise(one, enum)


class _Serialise:
    """A stored value, or a member, as the name of the member."""

    def __init__(self, one: GraphQLEnumType, enum: type[Enum]) -> None:
        self._enum = enum
        self._default = GraphQLEnumType.serialize.__get__(one)

    def __call__(self, value: Any) -> str:
        if not isinstance(value, self._enum):
            try:
                value = self._enum(value)
            except ValueError:
                # A value that hand-written SDL added, or none at all: graphql-core finds it, or says so.
                return str(self._default(value))
        return str(value.name)
