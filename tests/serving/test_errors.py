"""Errors as clients see them: a code, a message made for them, and never the text of an unexpected exception."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from graphql import GraphQLError

from bff.errors import (
    BFFError,
    BroadcastError,
    BuildError,
    Conflict,
    DatastoreError,
    DatastoreUnavailable,
    DeclarationError,
    DocumentTooLarge,
    IncompleteBuild,
    InvalidQuery,
    NotFound,
    OutcomeUnknown,
    SettingsError,
)
from bff.serving.errors import format_error
from bff.testing.graphql_http import GraphQLHTTPClient

pytestmark = pytest.mark.anyio


async def failed(serve: Any, how: str) -> dict[str, Any]:
    async with GraphQLHTTPClient(serve()) as client:
        result = await client.execute("query ($how: String!) { fail(how: $how) }", {"how": how})
    assert result["data"] == {"fail": None}
    [error] = result["errors"]
    assert error["path"] == ["fail"]
    formatted: dict[str, Any] = error
    return formatted


@pytest.mark.parametrize(
    ("how", "message", "extensions"),
    [
        ("domain", "pier 9 is taken", {"code": "HARBOUR_FULL"}),
        ("silent", "The harbour is full.", {"code": "HARBOUR_FULL"}),
        ("group", "pier 8 is taken", {"code": "HARBOUR_FULL"}),
        ("input", "not a name", {"code": "BAD_USER_INPUT", "argumentPath": ["input", "name"]}),
        ("graphql", "said on purpose", {"code": "ON_PURPOSE"}),
    ],
)
async def test_what_is_meant_for_clients_reaches_them(serve: Any, how: str, message: str, extensions: dict[str, Any]) -> None:
    error = await failed(serve, how)
    assert (error["message"], error["extensions"]) == (message, extensions)


@pytest.mark.parametrize(
    ("how", "code"), [("other", "INTERNAL"), ("timeout", "INTERNAL"), ("build", "BUILD_FAILED"), ("unavailable", "UNAVAILABLE")]
)
async def test_what_is_not_is_in_the_log_under_an_id(serve: Any, how: str, code: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "bff.serving"):
        error = await failed(serve, how)
    assert error["extensions"]["code"] == code
    assert "secret" not in str(error)
    assert "10.0.0.7" not in str(error)
    [record] = caplog.records
    assert error["extensions"]["id"] in record.getMessage()
    assert record.exc_info is not None
    assert "secret" in caplog.text or "10.0.0.7" in caplog.text


@pytest.mark.parametrize(
    ("error", "code", "shown"),
    [
        (NotFound("no meeting m1"), "NOT_FOUND", True),
        (InvalidQuery("!= with in"), "BAD_QUERY", True),
        (Conflict("meetings/m1"), "CONFLICT", False),
        (DocumentTooLarge("meetings/m1"), "TOO_LARGE", False),
        (DatastoreUnavailable("host"), "UNAVAILABLE", False),
        (OutcomeUnknown("host"), "OUTCOME_UNKNOWN", False),
        (DatastoreError("file"), "DATASTORE", False),
        (BroadcastError("host"), "BROADCAST_UNAVAILABLE", False),
        (BuildError("KeyError"), "BUILD_FAILED", False),
        (IncompleteBuild("m1"), "UNAVAILABLE", False),
        (DeclarationError("City.x", "wrong"), "INTERNAL", False),
        (SettingsError("wrong"), "INTERNAL", False),
        (BFFError("anything"), "INTERNAL", False),
        (ExceptionGroup("two", [NotFound("a"), NotFound("b")]), "INTERNAL", False),
    ],
)
def test_the_code_of_each_error(error: Exception, code: str, shown: bool) -> None:
    formatted = format_error(GraphQLError(str(error), original_error=error))
    assert formatted["extensions"]["code"] == code
    assert formatted["message"]
    assert (str(error) == formatted["message"]) == shown
    assert ("id" in formatted["extensions"]) == (not shown)


async def test_an_argument_that_is_wrong_names_itself(serve: Any) -> None:
    async with GraphQLHTTPClient(serve()) as client:
        [error] = (await client.execute("query ($c: Cargo!) { load(cargo: $c) }", {"c": {"tons": "x"}}))["errors"]
    assert "$c" in error["message"]
    assert "tons" in error["message"]
    assert error["locations"] == [{"line": 1, "column": 8}]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argumentPath": ["cargo", "tons"]}


@pytest.mark.parametrize(
    ("source", "variables", "path"),
    [
        ("query ($t: Int!) { load(cargo: {tons: $t}) }", {"t": "x"}, ["cargo", "tons"]),
        ("query ($t: Int!) { ...f } fragment f on Query { load(cargo: {tons: $t}) }", {}, ["cargo", "tons"]),
        ("query ($s: Int!) { big(size: $s) again: big(size: $s) }", {"s": None}, ["size"]),
        ("query ($s: Int!) { big(size: $s) load(cargo: {tons: $s}) }", {"s": "x"}, None),
        ("query ($b: Boolean!) { greeting @include(if: $b) }", {"b": "x"}, None),
        ("query ($s: Int = 1) { big(size: $s) }", {"s": None}, ["size"]),
    ],
)
async def test_a_variable_names_the_argument_that_it_is(
    serve: Any, source: str, variables: dict[str, Any], path: list[str] | None
) -> None:
    async with GraphQLHTTPClient(serve()) as client:
        [error] = (await client.execute(source, variables))["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"].get("argumentPath") == path


async def test_each_wrong_place_of_a_variable_is_named(serve: Any) -> None:
    async with GraphQLHTTPClient(serve()) as client:
        wrong = {"c": {"tons": "x", "dangerous": "y", "more": 1}}
        errors = (await client.execute("query ($c: Cargo!) { load(cargo: $c) }", wrong))["errors"]
    paths = [error["extensions"]["argumentPath"] for error in errors]
    assert paths == [["cargo", "tons"], ["cargo", "dangerous"], ["cargo"]]
    assert all(word in error["message"] for word, error in zip(["tons", "dangerous", "more"], errors, strict=True))
