"""Changes between two schemas, and the operations that they break."""

from __future__ import annotations

import pytest
from graphql import BreakingChangeType, DangerousChangeType, build_schema, parse

from bff.contract.changes import Change, Severity, changes_between
from bff.contract.impact import impacts
from bff.contract.recorded import RecordedOperation

OLD = """
directive @mark(level: Int, text: String) repeatable on FIELD | QUERY
directive @gone on FIELD
enum Role { GUEST, SPEAKER, HOST }
enum Shade { DARK }
scalar Odd
input Filter { role: Role, size: Int = 1, name: String!, nested: Filter }
input Choice { a: Int, b: Int }
input Open { a: Int }
interface Named { name: String }
type Person implements Named { name: String, role: Role!, age: Int, score: Float!, old: String @deprecated(reason: "no") }
type Dog implements Named { name: String, bark: Int }
type Odds { odd: Odd }
union Being = Person | Dog
"A view."
type Query {
  people(filter: Filter, role: Role, first: Int = 10, choice: Choice, open: Open, size: Int!): [Person!]!
  being: Being
  named: Named
  odds: Odds
  shade: Shade
  plain(x: Int): Int
}
"""
NEW = """
directive @mark(level: Int, must: Int!, may: Int) on FIELD | MUTATION
directive @fresh on FIELD
enum Role { GUEST, SPEAKER, ADMIN }
enum Shade { "Dark." DARK }
input Filter { role: Role!, size: Int = 2, name: String, more: Int, required: Int!, extra: String }
input Choice @oneOf { a: Int, b: Int }
input Open { a: Int }
interface Named { name: String! }
interface Aged { age: Int }
type Person implements Named & Aged {
  name: String!, role: Role, age: Int, score: Float! @deprecated(reason: "why"), old: String, extra(a: Int): Int
}
type Dog { name: String, bark: String }
type Cat { name: String }
union Being = Person | Cat
"Another view."
type Query {
  people(filter: Filter, role: [Role], first: Int = 20, choice: Choice, must: Int!, may: Int, size: Int): [Person!]!
  being: Being
  named: Named
  shade: Shade!
  odds: Int
  plain(x: Int): Int
}
scalar Odds
"""


def found(old: str = OLD, new: str = NEW) -> dict[tuple[str, str], Change]:
    return {(change.type, change.coordinate): change for change in changes_between(build_schema(old), build_schema(new))}


def test_each_change_is_classified_and_says_what_it_is_about() -> None:
    by_severity: dict[Severity, set[tuple[str, str]]] = {severity: set() for severity in Severity}
    for key, change in found().items():
        by_severity[change.severity].add(key)
    assert by_severity[Severity.BREAKING] == {
        ("ARG_CHANGED_KIND", "Query.people(role:)"),
        ("ARG_REMOVED", "Query.people(open:)"),
        ("DIRECTIVE_ARG_REMOVED", "@mark(text:)"),
        ("DIRECTIVE_LOCATION_REMOVED", "@mark"),
        ("DIRECTIVE_REMOVED", "@gone"),
        ("DIRECTIVE_REPEATABLE_REMOVED", "@mark"),
        ("FIELD_CHANGED_KIND", "Dog.bark"),
        ("FIELD_CHANGED_KIND", "Filter.role"),
        ("FIELD_CHANGED_KIND", "Person.role"),
        ("FIELD_CHANGED_KIND", "Query.odds"),
        ("FIELD_REMOVED", "Filter.nested"),
        ("IMPLEMENTED_INTERFACE_REMOVED", "Dog"),
        ("INPUT_BECAME_ONE_OF", "Choice"),
        ("REQUIRED_ARG_ADDED", "Query.people(must:)"),
        ("REQUIRED_DIRECTIVE_ARG_ADDED", "@mark(must:)"),
        ("REQUIRED_INPUT_FIELD_ADDED", "Filter.required"),
        ("TYPE_CHANGED_KIND", "Odds"),
        ("TYPE_REMOVED", "Odd"),
        ("TYPE_REMOVED_FROM_UNION", "Being"),
        ("VALUE_REMOVED_FROM_ENUM", "Role.HOST"),
    }
    assert by_severity[Severity.DANGEROUS] == {
        ("ARG_DEFAULT_VALUE_CHANGE", "Query.people(first:)"),
        ("IMPLEMENTED_INTERFACE_ADDED", "Person"),
        ("INPUT_FIELD_DEFAULT_VALUE_CHANGE", "Filter.size"),
        ("OPTIONAL_ARG_ADDED", "Query.people(may:)"),
        ("OPTIONAL_INPUT_FIELD_ADDED", "Filter.extra"),
        ("OPTIONAL_INPUT_FIELD_ADDED", "Filter.more"),
        ("TYPE_ADDED_TO_UNION", "Being"),
        ("VALUE_ADDED_TO_ENUM", "Role.ADMIN"),
    }
    assert by_severity[Severity.SAFE] == {
        ("ARG_TYPE_WIDENED", "Query.people(size:)"),
        ("DEPRECATED", "Person.score"),
        ("DEPRECATION_REMOVED", "Person.old"),
        ("DESCRIPTION_CHANGED", "Query"),
        ("DESCRIPTION_CHANGED", "Shade.DARK"),
        ("DIRECTIVE_ADDED", "@fresh"),
        ("DIRECTIVE_LOCATION_ADDED", "@mark"),
        ("FIELD_ADDED", "Person.extra"),
        ("FIELD_TYPE_NARROWED", "Named.name"),
        ("FIELD_TYPE_NARROWED", "Person.name"),
        ("FIELD_TYPE_NARROWED", "Query.shade"),
        ("INPUT_FIELD_TYPE_WIDENED", "Filter.name"),
        ("OPTIONAL_DIRECTIVE_ARG_ADDED", "@mark(may:)"),
        ("TYPE_ADDED", "Aged"),
        ("TYPE_ADDED", "Cat"),
    }


def test_no_kind_of_graphql_core_is_left_out() -> None:
    """What this page does not show would have no coordinate, and hit nobody."""
    shown = {kind for kind, _ in found()}
    assert {kind.name for kind in (*BreakingChangeType, *DangerousChangeType)} <= shown


def test_a_schema_and_itself() -> None:
    assert changes_between(build_schema(OLD), build_schema(OLD)) == ()


@pytest.mark.parametrize(
    ("source", "kinds"),
    [
        ("{ people(size: 1) { name } }", {"REQUIRED_ARG_ADDED"}),
        ("query ($f: Filter) { people(filter: $f, size: 1) { name } }", {
            "REQUIRED_ARG_ADDED", "REQUIRED_INPUT_FIELD_ADDED", "FIELD_REMOVED", "FIELD_CHANGED_KIND", "VALUE_REMOVED_FROM_ENUM",
        }),
        ('{ people(size: 1, filter: {name: "x", role: HOST}) { name } }',
         {"REQUIRED_ARG_ADDED", "REQUIRED_INPUT_FIELD_ADDED", "VALUE_REMOVED_FROM_ENUM", "FIELD_CHANGED_KIND"}),
        ("{ named { ... on Person { role } } }", {"FIELD_CHANGED_KIND"}),
        ("{ being { ... on Dog { bark } } }", {"FIELD_CHANGED_KIND", "TYPE_REMOVED_FROM_UNION", "IMPLEMENTED_INTERFACE_REMOVED"}),
        ("{ being { ... on Dog { name } } }", {"TYPE_REMOVED_FROM_UNION", "IMPLEMENTED_INTERFACE_REMOVED"}),
        ("query ($r: Role) { people(role: $r, size: 1) { name } }",
         {"REQUIRED_ARG_ADDED", "ARG_CHANGED_KIND", "VALUE_REMOVED_FROM_ENUM"}),
        ("query ($c: Choice) { people(choice: $c, size: 1) { name } }", {"REQUIRED_ARG_ADDED", "INPUT_BECAME_ONE_OF"}),
        ("{ plain @gone }", {"DIRECTIVE_REMOVED"}),
        ('{ plain @mark(text: "x") }', {
            "DIRECTIVE_ARG_REMOVED", "DIRECTIVE_LOCATION_REMOVED", "DIRECTIVE_REPEATABLE_REMOVED", "REQUIRED_DIRECTIVE_ARG_ADDED",
        }),
        ("{ odds { odd } }", {"FIELD_CHANGED_KIND", "TYPE_CHANGED_KIND", "TYPE_REMOVED"}),
        ("{ plain(x: 1) shade named { name } }", set()),
        ("{ being { __typename } }", set()),
    ],
)  # fmt: skip
def test_who_breaks(source: str, kinds: set[str]) -> None:
    old, new = build_schema(OLD), build_schema(NEW)
    operation = RecordedOperation("it", "here", parse(source))
    result = impacts(old, new, changes_between(old, new), [operation])
    assert {change.type for impact in result for change in impact.changes} == kinds
    assert [impact.breaks for impact in result] == ([True] if kinds else [])


def breaks(old: str, new: str, source: str) -> list[str]:
    """The changes that break an operation."""
    before, after = build_schema(old), build_schema(new)
    operation = RecordedOperation("it", "here", parse(source))
    result = impacts(before, after, changes_between(before, after), [operation])
    assert all(impact.breaks for impact in result)
    return [change.description for impact in result for change in impact.changes]


LOANS = """
interface Titled { title: String }
type Book implements Titled { title: String }
type Film %s{ title: String }
union Loan = Book | Film
type Query { loans: [Loan] titled: Titled }
"""


@pytest.mark.parametrize(
    ("source", "broken"),
    [
        ("{ loans { ... on Titled { title } } }", True),
        ("{ loans { ...T } } fragment T on Titled { title }", True),
        # Nothing was asked of films for being titled, or of anything else than what is titled.
        ("{ loans { ... on Book { ... on Titled { title } } } }", False),
        ("{ titled { ... on Titled { title } } }", False),
        ("{ loans { __typename } }", False),
    ],
)
def test_what_vanishes_from_a_result_without_an_error(source: str, broken: bool) -> None:
    expected = ["Film no longer implements interface Titled."] if broken else []
    assert breaks(LOANS % "implements Titled ", LOANS % "", source) == expected


def test_operations_of_a_type_that_the_schema_has_lost() -> None:
    new = "type Query { a: Int }"
    old = f"{new} type Mutation {{ set: Int }} type Subscription {{ seen: Int }}"
    assert breaks(old, new, "mutation { set }") == ["Mutation was removed."]
    assert breaks(old, new, "subscription { seen }") == ["Subscription was removed."]
    assert breaks(old, new, "{ a }") == []
    [impact] = impacts(None, build_schema(new), (), [RecordedOperation("it", "here", parse("mutation { set }"))])
    assert impact.problems == ("The schema has no mutation type.",)


def test_an_argument_that_a_directive_needs_now_is_what_breaks_who_uses_it() -> None:
    schema = "directive @cached%s on FIELD type Query { a: Int }"
    assert breaks(schema % "", schema % "(ttl: Int!)", "{ a @cached }") == ["A required arg ttl on directive cached was added."]


def test_changes_are_in_the_order_of_the_schema() -> None:
    names = [f"field{n}" for n in range(20)]
    schema = "type Query { a(b: B): Int } input B { %s }"
    old, new = (schema % " ".join(f"{name}: Int = {n}" for name in names) for n in (1, 2))
    assert [change.coordinate for change in changes_between(build_schema(old), build_schema(new))] == [f"B.{n}" for n in names]


def test_what_was_wrong_before_is_nobodys_fault() -> None:
    old, new = build_schema(OLD), build_schema(NEW)
    [impact] = impacts(old, new, changes_between(old, new), [RecordedOperation("it", "here", parse("{ nothing }"))])
    assert not impact.breaks
    assert not impact.was_valid


def test_without_an_old_schema_what_is_not_valid_breaks() -> None:
    fine, wrong = (RecordedOperation("it", "here", parse(source)) for source in ("{ shade }", "{ nothing }"))
    [impact] = impacts(None, build_schema(NEW), (), [fine, wrong])
    assert impact.operation is wrong
    assert impact.breaks
