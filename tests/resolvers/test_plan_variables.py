"""Variables are coerced as graphql-core coerces them, or left to it."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLSchema, get_variable_values, parse

from bff.model.catalog import Catalog
from bff.resolvers.plan.variable_values import VariableValues
from bff.schema.build import build_schema
from tests.resolvers.plan_views import VIEWS
from tests.resolvers.planned import operation_of

TYPES = (
    *(
        "ID",
        "ID!",
        'ID! = "x"',
        "String",
        "String!",
        "Int",
        "Int!",
        "Int = 3",
        "Int! = 3",
        "Float",
        "Float!",
        "Boolean",
        "Boolean!",
    ),
    *("[ID!]", "[ID!]!", "[Int]", "[Int!] = [1, 2]", "[[Int!]]", "State", "State!", "[State!] = [WORN]", "OrderDirection = DESC"),
    *(
        "ToolPageFilter",
        "ToolPageFilter!",
        "ToolPageFilter = {number: {eq: 1}}",
        "[ToolPageOrder!]",
        "ToolPageOrder = {field: NAME}",
    ),
)


def _deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"number": {"eq": 1}}
    for _ in range(levels):
        value = {"and": [value]}
    return value


VALUES: tuple[Any, ...] = (
    *(
        ...,
        None,
        True,
        False,
        0,
        1,
        -1,
        2**31 - 1,
        2**31,
        -(2**31) - 1,
        2**70,
        10**400,
        1.0,
        1.5,
        1e300,
        float("inf"),
        float("nan"),
    ),
    *(
        "",
        "1",
        "x",
        "NEW",
        "new",
        "DESC",
        [],
        [None],
        [1],
        [1, None],
        ["a", "b"],
        [[1], [2]],
        [[None]],
        [True],
        ["NEW"],
        [1.0],
        [1.5],
    ),
    *({}, {"number": {"eq": 1}}, {"number": {"eq": "1"}}, {"number": None}, {"nothing": 1}, {"state": {"in": ["NEW", "WORN"]}}),
    *(
        {"and": [{"name": {"ne": "x"}}, {}]},
        {"or": {"heavy": {"eq": True}}},
        [{"field": "NAME"}],
        {"field": "NAME", "direction": "DESC"},
    ),
    *(
        {"field": "name"},
        [{"field": "STATE", "direction": None}],
        [{}],
        _deep(45),
        _deep(70),
        _deep(2_000),
        {"or": [[]]},
        [{}, None],
    ),
)


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema(Catalog.of(VIEWS, ()))


@pytest.mark.parametrize("type_", TYPES)
def test_a_variable_is_coerced_as_graphql_core_coerces_it(schema: GraphQLSchema, type_: str) -> None:
    operation = operation_of(parse(f"query ($v: {type_}) {{ __typename }}"))
    values = VariableValues(schema, operation)
    for value in VALUES:
        given = {} if value is ... else {"v": value}
        expected = get_variable_values(schema, operation.variable_definitions or (), given)
        found = values.coerce({**given, "undeclared": object()})
        if isinstance(expected, list):
            assert found is None, value
        elif value in (_deep(70),):
            assert found is None, "graphql-core coerces what is nested so deeply"
        else:
            assert found == expected, value
            assert repr(found) == repr(expected), value


def test_no_variables_are_given(schema: GraphQLSchema) -> None:
    values = VariableValues(schema, operation_of(parse("query ($a: Int, $b: Int = 2) { __typename }")))
    assert values.coerce(None) == {"b": 2}
    assert VariableValues(schema, operation_of(parse("query ($a: Int!) { __typename }"))).coerce(None) is None
