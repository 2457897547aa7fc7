"""Whether an operation is one that a schema answers."""

from __future__ import annotations

from graphql import DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode, validate

__all__ = ["problems_of"]


def problems_of(schema: GraphQLSchema, document: DocumentNode) -> list[GraphQLError]:
    """What is wrong with a document, if anything.

    Validation says nothing of a mutation where the schema has no mutations: that is left to execution
    (https://spec.graphql.org/September2025/#sec-Executing-Operations), and is too late here.
    """
    rootless = [
        GraphQLError(f"The schema has no {one.operation.value} type.", one)
        for one in document.definitions
        if isinstance(one, OperationDefinitionNode) and schema.get_root_type(one.operation) is None
    ]
    return rootless + validate(schema, document)
