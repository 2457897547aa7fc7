"""Requests that are wrong, and code of the user's that raises: an answer with a code, and never the text of an exception."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bff.testing.graphql_ws import GraphQLWSClient, OperationFailed
from bff.testing.harness import AppHarness
from tests.faults.bad_apps import Kettle, app

pytestmark = pytest.mark.anyio


@pytest.fixture
async def running() -> AsyncIterator[AppHarness]:
    async with AppHarness(app) as harness:
        await Kettle(id="k1", name="Blue", litres=2).save()
        await Kettle(id="k2", name="cracked", litres=2).save()
        yield harness


async def error_of(running: AppHarness, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    """The one error of an answer; it tells nothing that is secret."""
    answer = await running.execute(query, variables)
    assert len(answer.get("errors", ())) == 1, answer
    assert "secret" not in str(answer)
    assert "Traceback" not in str(answer)
    error: dict[str, Any] = answer["errors"][0]
    return error


async def assert_unchanged(running: AppHarness) -> None:
    kettle = await Kettle.get("k1")
    assert kettle is not None
    assert (kettle.name, kettle.litres, kettle.lid) == ("Blue", 2, None)


@pytest.mark.parametrize("id", ["nobody", "k1 ", "ключ", "k" * 1000, "~", "a:b", "%"])
async def test_an_id_that_nobody_has_is_null(running: AppHarness, id: str) -> None:
    answer = await running.execute("query ($id: ID!) { kettleView(id: $id) { name } }", {"id": id})
    assert answer == {"data": {"kettleView": None}}


@pytest.mark.parametrize("id", ["", "a/b", ".", "..", "__x__", "k\x00", "k" * 2000])
async def test_an_id_that_nobody_can_have_is_bad_input(running: AppHarness, id: str) -> None:
    for query in (
        "query ($id: ID!) { kettleView(id: $id) { name } }",
        "mutation ($id: ID!) { kettleFill(id: $id, litres: 1) { cups } }",
        "mutation ($id: ID!) { updateKettleView(id: $id, input: {cups: 4}) { cups } }",
    ):
        error = await error_of(running, query, {"id": id})
        assert error["extensions"]["code"] == "BAD_USER_INPUT", query
    async with running.watch("subscription ($id: ID!) { kettleView(id: $id) { name } }", {"id": id}) as states:
        with pytest.raises(OperationFailed) as refused:
            await states.next()
    assert refused.value.errors[0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("id", ["", "KettleView", "KettleView:", ":k1", "Nobody:k1", "💥", "a/b"])
async def test_a_node_that_nobody_has_is_null_or_bad_input(running: AppHarness, id: str) -> None:
    answer = await running.execute("query ($id: ID!) { node(id: $id) { id } }", {"id": id})
    assert answer["data"] == {"node": None}
    assert {error["extensions"]["code"] for error in answer.get("errors", ())} <= {"BAD_USER_INPUT", "NOT_FOUND"}


@pytest.mark.parametrize(
    "query",
    [
        'mutation { kettleFill(id: "nobody", litres: 1) { cups } }',
        'mutation { updateKettleView(id: "nobody", input: {cups: 4}) { cups } }',
    ],
)
async def test_changing_what_is_not_there_is_not_found(running: AppHarness, query: str) -> None:
    error = await error_of(running, query)
    assert error["extensions"]["code"] == "NOT_FOUND"
    assert "nobody" in error["message"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ('mutation { kettleFill(id: "k1") { cups } }', "litres"),
        ('mutation { kettleFill(id: "k1", litres: "two") { cups } }', "Int"),
        ('mutation { kettleFill(id: "k1", litres: 2.5) { cups } }', "Int"),
        ('mutation { kettleFill(id: "k1", litres: 3000000000) { cups } }', "32-bit"),
        ('mutation { kettleFill(id: "k1", litres: null) { cups } }', "Int!"),
        ('mutation { kettleFill(id: ["k1"], litres: 1) { cups } }', "ID"),
        ('mutation { kettleFill(id: "k1", litres: 1, colour: "red") { cups } }', "colour"),
        ('mutation { updateKettleView(id: "k1") { cups } }', "input"),
        ('mutation { updateKettleView(id: "k1", input: {lid: AJAR}) { cups } }', "AJAR"),
        ('mutation { updateKettleView(id: "k1", input: {lid: "OPEN"}) { cups } }', "OPEN"),
        ('mutation { updateKettleView(id: "k1", input: {colour: "red"}) { cups } }', "colour"),
        ('{ kettleView(id: "k1") { nothing } }', "nothing"),
        ("{ kettleView { name } }", "id"),
        ('{ kettleView(id: "k1") }', "selection"),
        ("subscription { kettleView { name } }", "id"),
        ("{ kettleViews(first: 10, colour: 3) { edges { cursor } } }", "colour"),
    ],
)
async def test_what_does_not_fit_the_schema_is_refused_whole(running: AppHarness, query: str, words: str) -> None:
    answer = await running.execute(query)
    assert answer.get("data") is None
    assert all(error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED" for error in answer["errors"]), answer
    assert any(words in error["message"] for error in answer["errors"]), answer
    await assert_unchanged(running)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"id": "k1"},
        {"id": "k1", "litres": None},
        {"id": "k1", "litres": "2"},
        {"id": "k1", "litres": 2.5},
        {"id": "k1", "litres": True},
        {"id": "k1", "litres": 2**31},
        {"id": "k1", "litres": -(2**63)},
        {"id": "k1", "litres": 10**400},
        {"id": "k1", "litres": [2, 3]},
        {"id": {"k": 1}, "litres": 2},
        {"id": None, "litres": 2},
    ],
)
async def test_variables_that_do_not_fit_are_refused(running: AppHarness, variables: dict[str, Any]) -> None:
    query = "mutation ($id: ID!, $litres: Int!) { kettleFill(id: $id, litres: $litres) { cups } }"
    response = await running.http.post("/graphql", json={"query": query, "variables": variables})
    answer = response.json()
    assert response.status_code in {200, 400}
    assert answer.get("data") is None
    assert all(error["extensions"]["code"] in {"BAD_USER_INPUT", "BAD_REQUEST"} for error in answer["errors"]), answer
    await assert_unchanged(running)


@pytest.mark.parametrize("lid", ["AJAR", "open", "", 1, ["OPEN"], {"OPEN": True}])
async def test_an_enum_value_that_is_none_is_refused(running: AppHarness, lid: Any) -> None:
    query = 'mutation ($lid: Lid) { updateKettleView(id: "k1", input: {lid: $lid}) { cups } }'
    error = await error_of(running, query, {"lid": lid})
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    await assert_unchanged(running)


async def test_empty_input_is_refused(running: AppHarness) -> None:
    error = await error_of(running, 'mutation { updateKettleView(id: "k1", input: {}) { cups } }')
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "cups" in error["message"]


async def test_null_for_what_must_have_a_value_is_refused(running: AppHarness) -> None:
    error = await error_of(running, 'mutation { updateKettleView(id: "k1", input: {cups: null}) { cups } }')
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    await assert_unchanged(running)


@pytest.mark.parametrize(
    "arguments",
    [
        *("first: -1", "first: 1000000000", "first: 0", 'after: "nonsense"', 'first: 1, after: ""', "last: 1, first: 1"),
        *('before: "bm9uc2Vuc2U="', "last: -5"),
    ],
)
async def test_a_page_that_cannot_be_is_bad_input_or_a_page(running: AppHarness, arguments: str) -> None:
    answer = await running.execute(f"{{ kettleViews({arguments}) {{ edges {{ cursor }} }} }}")
    codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
    assert codes <= {"BAD_USER_INPUT"}, answer
    assert codes or len(answer["data"]["kettleViews"]["edges"]) <= 2


@pytest.mark.parametrize("query", ["", "   ", "{", "}", "query", "{ a(b: ) }", '{ kettleView(id: "', "#", "\x00", "{" * 500])
async def test_what_is_no_graphql_is_refused(running: AppHarness, query: str) -> None:
    response = await running.http.post("/graphql", json={"query": query})
    assert response.status_code == 400 or "errors" in response.json()
    assert {error["extensions"]["code"] for error in response.json()["errors"]} <= {"GRAPHQL_PARSE_FAILED", "BAD_REQUEST"}


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"3", b'"x"', b"{}", b'{"query": 3}', b"{", b"\xff\xfe", b'{"query": null}']
)
async def test_what_is_no_request_is_refused(running: AppHarness, body: bytes) -> None:
    response = await running.http.post("/graphql", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"]


@pytest.mark.parametrize(
    "frame", ["{", "null", "[]", '"x"', "{}", '{"type": 3}', '{"type": "nonsense"}', '{"type": "subscribe"}', "\x00", "[" * 10000]
)
async def test_a_frame_that_is_none_closes_that_socket_only(running: AppHarness, frame: str) -> None:
    async with running.watch('subscription { kettleView(id: "k1") { cups } }') as states:
        assert await states.next() == {"data": {"kettleView": {"cups": 8}}}
        async with GraphQLWSClient.to_app(app) as client:
            await client.init()
            await client.send_raw(frame)
            await client.expect_close(4400)
        await running.execute('mutation { kettleFill(id: "k1", litres: 3) { cups } }')
        assert await states.next() == {"data": {"kettleView": {"cups": 12}}}


async def test_a_subscription_that_does_not_fit_ends_alone(running: AppHarness) -> None:
    async with GraphQLWSClient.to_app(app) as client:
        await client.init()
        good = await client.subscribe('subscription { kettleView(id: "k1") { cups } }')
        for query in ("{", "", "subscription { nothing }", "subscription { kettleView(id: 3.5) { cups } }"):
            [error, *_] = await client.expect_error(await client.subscribe(query))
            assert error["extensions"]["code"] in {"GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "BAD_REQUEST"}
        assert await client.next(good) == {"data": {"kettleView": {"cups": 8}}}


async def test_a_getter_that_raises_fails_its_view_alone(running: AppHarness) -> None:
    answer = await running.execute('{ good: kettleView(id: "k1") { cups } bad: kettleView(id: "k2") { name } }')
    assert answer["data"] == {"good": {"cups": 8}, "bad": None}
    [error] = answer["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["bad"], "BUILD_FAILED")
    assert "secret" not in json.dumps(answer)
    async with running.watch('subscription { kettleView(id: "k2") { cups } }') as states:
        with pytest.raises(OperationFailed) as refused:
            await states.next()
    assert refused.value.errors[0]["extensions"]["code"] == "BUILD_FAILED"
    assert "secret" not in str(refused.value.errors)


async def test_a_mutation_whose_view_cannot_be_built_was_made_and_says_so(running: AppHarness) -> None:
    """What was committed cannot be called back because a getter raises."""
    error = await error_of(running, 'mutation { kettleFill(id: "k2", litres: 9) { cups } }')
    assert error["extensions"]["code"] == "BUILD_FAILED"
    kettle = await Kettle.get("k2")
    assert kettle is not None
    assert kettle.litres == 9


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ('mutation { kettleFill(id: "k1", litres: 200) { cups } }', "BOILED_OVER", "200 litres are too much"),
        ('mutation { kettleFill(id: "k1", litres: -1) { cups } }', "INTERNAL", "internal error"),
        ('mutation { updateKettleView(id: "k1", input: {cups: 500}) { cups } }', "BOILED_OVER", "500 cups are too much"),
        ('mutation { updateKettleView(id: "k1", input: {cups: -4}) { cups } }', "INTERNAL", "internal error"),
    ],
)
async def test_what_a_mutation_or_a_setter_raises(running: AppHarness, query: str, code: str, message: str) -> None:
    """A rule of the domain reaches the client with its code and its words, anything else without."""
    error = await error_of(running, query)
    assert error["extensions"]["code"] == code
    assert error["message"] == message
    await assert_unchanged(running)


async def test_nothing_of_it_disturbs_the_others(running: AppHarness) -> None:
    """Good and bad requests at the same time: each good one is answered."""
    bad = [
        "{",
        "mutation { nothing }",
        '{ kettleView(id: "k2") { cups } }',
        'mutation { kettleFill(id: "k1", litres: -1) { cups } }',
    ]
    answers = await asyncio.gather(
        *(running.execute('{ kettleView(id: "k1") { cups } }') for _ in range(50)), *(running.execute(one) for one in bad * 10)
    )
    assert answers[:50] == [{"data": {"kettleView": {"cups": 8}}}] * 50
    assert all("errors" in answer for answer in answers[50:])
