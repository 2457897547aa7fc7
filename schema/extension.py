"""Hand-written SDL on top of a reflected schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from graphql import (
    DefinitionNode,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NamedTypeNode,
    NameNode,
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    OperationType,
    OperationTypeDefinitionNode,
    SchemaExtensionNode,
    extend_schema,
    parse,
)

from bff.errors import DeclarationError

__all__ = ["extend"]

WHERE = "type_defs"


def extend(schema: GraphQLSchema, type_defs: Sequence[str]) -> GraphQLSchema:
    """The schema with ``type_defs`` added to it; resolvers, scalars and enum values of the schema stay what they are.

    ``extend type Mutation`` (or Subscription) makes that type where the app declares none. Raises DeclarationError.
    """
    try:
        definitions = [definition for text in type_defs for definition in parse(text).definitions]
        for operation, existing in (
            (OperationType.MUTATION, schema.mutation_type),
            (OperationType.SUBSCRIPTION, schema.subscription_type),
        ):
            if existing is None:
                definitions = _with_root(definitions, operation)
        return extend_schema(schema, DocumentNode(definitions=tuple(definitions)))
    except GraphQLError as error:
        raise DeclarationError(WHERE, str(error)) from error
    except TypeError as error:
        remedy = ": extend it (`extend type …`), or choose another name" if "already exists" in str(error) else ""
        raise DeclarationError(WHERE, f"{error}{remedy}") from error


def _with_root(definitions: list[DefinitionNode], operation: OperationType) -> list[DefinitionNode]:
    """The definitions, with a root type for the operation if they speak of one."""
    name = operation.value.capitalize()
    speaks = [
        index
        for index, definition in enumerate(definitions)
        if isinstance(definition, ObjectTypeDefinitionNode | ObjectTypeExtensionNode) and definition.name.value == name
    ]
    if not speaks:
        return definitions
    if not any(isinstance(definitions[index], ObjectTypeDefinitionNode) for index in speaks):
        first = definitions[speaks[0]]
        assert isinstance(first, ObjectTypeExtensionNode)
        definitions = [*definitions]
        definitions[speaks[0]] = ObjectTypeDefinitionNode(
            name=first.name, interfaces=first.interfaces, directives=first.directives, fields=first.fields, loc=first.loc
        )
    named = NamedTypeNode(name=NameNode(value=name))
    root = OperationTypeDefinitionNode(operation=operation, type=named)
    # Part of every document, whatever its class says: graphql-core types it as a type system extension only.
    return [*definitions, cast(DefinitionNode, SchemaExtensionNode(directives=(), operation_types=(root,)))]
