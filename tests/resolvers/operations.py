"""Queries over the workshop, drawn by hypothesis: documents with their variables."""

from __future__ import annotations

import json
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
)
from hypothesis import strategies as st

from tests.resolvers.plan_views import KEYS

__all__ = ["queries"]

ROOTS = ("toolPage", "makerPage", "makerCard", "loan", "node", "toolPages", "makerPages", "__typename")
IDS = {
    "toolPage": ("saw", "axe", "plane"),
    "makerPage": ("ann", "ben", "cy"),
    "makerCard": ("ann", "cy"),
    "loan": ("ann:saw", "nobody:saw"),
    "node": ("saw", "axe", "ToolPage:saw", "MakerCard:ann", "nobody"),
}
CONDITIONS = (
    "@include(if: $x)",
    "@skip(if: $y)",
    "@skip(if: $x) @include(if: $y)",
    "@include(if: false)",
    "@skip(if: false)",
)
LISTS: dict[str, tuple[str, ...]] = {
    "first": ("0", "1", "2", "2", "500", "-1", "null", "$count"),
    "last": ("1", "3"),
    "orderBy": (
        "[{field: NAME}]",
        "{field: NAME, direction: DESC}",
        "[{field: NUMBER, direction: $direction}, {field: NAME}]",
        "$orders",
        "[]",
    ),
    "filter": (
        "{number: {gt: 1}}",
        "{number: {lt: $count}}",
        '{tags: {contains: "b"}}',
        "{state: {in: [WORN, NEW]}, half: {ne: null}}",
        '{or: [{name: {eq: "Saw"}}, {not: {heavy: {eq: true}}}]}',
        "$filter",
        "null",
    ),
    "after": ("$after",),
    "before": ("$after",),
}
DECLARED: dict[str, tuple[str, tuple[Any, ...]]] = {
    "id": ("ID!", ("saw", "axe", "plane", "cy", *KEYS, 5, 1.0, None)),
    "x": ("Boolean!", (True, False, True, False, 0)),
    "y": ("Boolean! = true", (True, False)),
    "count": ("Int = 2", (3, 0, 1, 3.0, None, 2**31)),
    "direction": ("OrderDirection! = DESC", ("ASC", "DESC", "ASC", "UP")),
    "orders": ("[ToolPageOrder!]", ([{"field": "NAME"}], {"field": "STATE", "direction": "DESC"}, [], None, [{}], [None])),
    "filter": (
        "ToolPageFilter",
        ({"number": {"gte": 2}}, {"and": [{"heavy": {"eq": False}}]}, {"tags": {"containsAny": []}}, {"no": 1}, {}, None),
    ),
    "after": ("String", ("CURSOR", "CURSOR", None, "junk")),
}


class _Query:
    def __init__(self, draw: st.DrawFn, schema: GraphQLSchema) -> None:
        self.draw = draw
        self.schema = schema
        self.used: dict[str, None] = {}
        self.fragments: dict[str, str] = {}
        self.left = 25
        """So many more fields may be selected: then only what has to be."""

    def one(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def chance(self, in_ten: int) -> bool:
        return self.draw(st.integers(0, 9)) < in_ten

    def root(self) -> str:
        query = self.schema.query_type
        assert query is not None
        parts = []
        for index in range(self.one(1, 1, 1, 2, 3)):
            name = self.one(*ROOTS)
            alias = f"r{index}: " if index or self.chance(2) else ""
            if name == "__typename":
                parts.append(f"{alias}__typename")
                continue
            arguments = self.list_arguments(name) if name.endswith("s") else f"(id: {self.id(name)})"
            field = query.fields[name]
            for _ in range(self.one(1, 1, 1, 2)):
                parts.append(f"{alias}{name}{arguments}{self.condition()} {self.selection(get_named_type(field.type), 4)}")
        return " ".join(parts)

    def id(self, root: str) -> str:
        if self.chance(3):
            return self.variable("id")
        return json.dumps(self.one(*(KEYS if self.chance(1) else IDS[root])))

    def list_arguments(self, name: str) -> str:
        given = {}
        for argument, values in LISTS.items():
            tools = name == "toolPages" or argument not in {"filter", "orderBy"}
            if tools and self.chance(3 if argument in {"filter", "orderBy", "first"} else 1):
                given[argument] = self.one(*values)
        for value in given.values():
            for variable in DECLARED:
                if f"${variable}" in value:
                    self.variable(variable)
        return f"({', '.join(f'{name}: {value}' for name, value in given.items())})" if given else ""

    def variable(self, name: str) -> str:
        self.used[name] = None
        return f"${name}"

    def condition(self) -> str:
        if not self.chance(1):
            return ""
        condition: str = self.one(*CONDITIONS)
        for name in ("x", "y"):
            if f"${name}" in condition:
                self.variable(name)
        return f" {condition}"

    def selection(self, type_: GraphQLNamedType, depth: int) -> str:
        number = self.one(1, 2, 3, 4) if self.left > 0 else 1
        self.left -= number
        parts = [self.part(type_, depth if self.left > 0 else 0) for _ in range(number)]
        return "{ " + " ".join(parts) + " }"

    def part(self, type_: GraphQLNamedType, depth: int) -> str:
        fields = self.fields(type_, depth)
        kind = self.draw(st.integers(0, 9))
        if kind == 0 or (not fields and (isinstance(type_, GraphQLObjectType) or depth == 0)):
            return self.alias("__typename") + "__typename" + self.condition()
        if depth and (not fields or kind >= (8 if isinstance(type_, GraphQLObjectType) else 4)):
            return self.fragment(type_, depth)
        name = self.one(*fields)
        inner = get_named_type(fields[name].type)
        beneath = "" if is_leaf_type(inner) else " " + self.selection(inner, depth - 1)
        return f"{self.alias(name)}{name}{self.condition()}{beneath}"

    def alias(self, name: str) -> str:
        return f"a_{name.strip('_')}: " if self.chance(1) else ""

    def fields(self, type_: GraphQLNamedType, depth: int) -> dict[str, GraphQLField]:
        if not isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            return {}
        return {name: one for name, one in type_.fields.items() if depth > 0 or is_leaf_type(get_named_type(one.type))}

    def fragment(self, type_: GraphQLNamedType, depth: int) -> str:
        on = self.narrowed(type_)
        condition = self.condition()
        if self.chance(3):
            same = [name for name, text in self.fragments.items() if f" on {on.name} " in text and f"F{depth}" in name]
            if same and self.chance(5):
                return f"...{self.one(*same)}{condition}"
            text = f" on {on.name} {self.selection(on, depth)}"
            name = f"F{depth}_{len(self.fragments)}"
            self.fragments[name] = f"fragment {name}{text}"
            return f"...{name}{condition}"
        given = "" if on is type_ and self.chance(5) else f" on {on.name}"
        return f"...{given}{condition} {self.selection(on, depth)}"

    def narrowed(self, type_: GraphQLNamedType) -> GraphQLNamedType:
        if isinstance(type_, GraphQLObjectType):
            return self.one(type_, *type_.interfaces)  # type: ignore[no-any-return]
        assert isinstance(type_, GraphQLInterfaceType | GraphQLUnionType)
        return self.one(type_, *self.schema.get_possible_types(type_))  # type: ignore[no-any-return]


@st.composite
def queries(draw: st.DrawFn, schema: GraphQLSchema) -> tuple[str, dict[str, Any]]:
    """A document with one query, which is valid but for fields that do not merge, and its variables, right and wrong."""
    query = _Query(draw, schema)
    body = query.root()
    declared = ", ".join(f"${name}: {DECLARED[name][0]}" for name in query.used)
    source = " ".join([f"query Q{f'({declared})' if declared else ''} {{ {body} }}", *query.fragments.values()])
    variables = {}
    for name in query.used:
        values = DECLARED[name][1]
        # Mostly right, or every query would be a wrong one.
        if not query.chance(1):
            variables[name] = values[0] if query.chance(6) else query.one(*values)
    return source, variables
