"""Automatic persisted queries, as Apollo's clients ask for them: the hash first, the text when it is not known."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import httpx
import pytest

from bff.serving.limits import Limits
from bff.serving.persisted import AutomaticDocuments
from bff.testing.graphql_http import GraphQLHTTPClient
from bff.testing.graphql_ws import GraphQLWSClient, OperationFailed

pytestmark = pytest.mark.anyio

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
QUERY = "query Greet($name: String) { greeting(name: $name) }"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def persisted(text: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": sha256(text)}}


def code(answer: dict[str, Any]) -> str:
    [error] = answer["errors"]
    text: str = error["extensions"]["code"]
    return text


async def post(client: GraphQLHTTPClient, **parameters: Any) -> dict[str, Any]:
    response = await client.http.post("/graphql", json=parameters)
    assert response.status_code == 200
    answer: dict[str, Any] = response.json()
    return answer


async def get(client: GraphQLHTTPClient, **parameters: Any) -> httpx.Response:
    written = {name: value if isinstance(value, str) else json.dumps(value) for name, value in parameters.items()}
    return await client.http.get("/graphql", params=written)


async def test_a_hash_is_unknown_until_its_text_was_sent(serve: Any) -> None:
    async with GraphQLHTTPClient(serve()) as client:
        unknown = await post(client, extensions=persisted(QUERY))
        assert unknown == {"errors": [{"message": "PersistedQueryNotFound", "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"}}]}
        both = await post(client, query=QUERY, extensions=persisted(QUERY), variables={"name": "A"})
        assert both == {"data": {"greeting": "hello A"}}
        assert await post(client, extensions=persisted(QUERY), variables={"name": "B"}) == {"data": {"greeting": "hello B"}}


async def test_the_other_media_type_has_status_codes(serve: Any) -> None:
    async with GraphQLHTTPClient(serve()) as client:
        response = await client.http.post("/graphql", json={"extensions": persisted(QUERY)}, headers={"accept": GRAPHQL})
        assert (response.status_code, code(response.json())) == (400, "PERSISTED_QUERY_NOT_FOUND")
        assert response.headers["cache-control"] == "no-store"


async def test_get_post_and_sockets_share_what_is_known(serve: Any) -> None:
    app = serve()
    async with GraphQLHTTPClient(app) as client:
        assert code((await get(client, extensions=persisted(QUERY))).json()) == "PERSISTED_QUERY_NOT_FOUND"
        await get(client, query=QUERY, extensions=persisted(QUERY))
        assert (await get(client, extensions=persisted(QUERY))).json() == {"data": {"greeting": "hello you"}}
        assert await post(client, extensions=persisted(QUERY)) == {"data": {"greeting": "hello you"}}
        assert await post(client, documentId=f"sha256:{sha256(QUERY)}") == {"data": {"greeting": "hello you"}}
        async with GraphQLWSClient.to_app(app) as socket:
            await socket.init()
            for parameters in ({"extensions": persisted(QUERY)}, {"documentId": f"sha256:{sha256(QUERY)}"}):
                await socket.send({"id": "a", "type": "subscribe", "payload": parameters})
                assert await socket.next("a") == {"data": {"greeting": "hello you"}}
                await socket.expect_complete("a")


async def test_a_subscription_by_its_hash(serve: Any) -> None:
    text = "subscription { count(to: 2) }"
    async with GraphQLWSClient.to_app(serve()) as socket:
        await socket.init()
        await socket.send({"id": "a", "type": "subscribe", "payload": {"extensions": persisted(text)}})
        with pytest.raises(OperationFailed, match="PersistedQueryNotFound"):
            await socket.next("a")
        await socket.send({"id": "b", "type": "subscribe", "payload": {"query": text, "extensions": persisted(text)}})
        assert await socket.next("b") == {"data": {"count": 1}}


async def test_a_hash_of_another_text_is_refused_and_not_kept(serve: Any) -> None:
    async with GraphQLHTTPClient(serve()) as client:
        wrong = await post(client, query="mutation { dock }", extensions=persisted(QUERY))
        assert code(wrong) == "BAD_REQUEST"
        assert code(await post(client, extensions=persisted(QUERY))) == "PERSISTED_QUERY_NOT_FOUND"


async def test_only_valid_documents_are_kept(serve: Any) -> None:
    async with GraphQLHTTPClient(serve()) as client:
        for text, expected in (("{", "GRAPHQL_PARSE_FAILED"), ("{ nope }", "GRAPHQL_VALIDATION_FAILED")):
            assert code(await post(client, query=text, extensions=persisted(text))) == expected
            assert code(await post(client, extensions=persisted(text))) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize(
    "extension", [1, "a", [], {}, {"version": 1}, {"version": 2, "sha256Hash": "a"}, {"version": 1, "sha256Hash": 1}]
)
async def test_a_malformed_extension(serve: Any, extension: Any) -> None:
    async with GraphQLHTTPClient(serve()) as client:
        assert code(await post(client, extensions={"persistedQuery": extension})) == "BAD_REQUEST"
        assert code(await post(client, query=QUERY, extensions={"persistedQuery": extension})) == "BAD_REQUEST"


async def test_mutations_are_not_done_by_get(serve: Any, harbour: Any) -> None:
    text = "mutation { dock }"
    async with GraphQLHTTPClient(serve()) as client:
        assert await post(client, query=text, extensions=persisted(text)) == {"data": {"dock": 1}}
        assert (await get(client, extensions=persisted(text))).status_code == 405
        assert harbour.docked == 1


async def test_switched_off_clients_are_told_so_and_texts_are_executed(serve: Any) -> None:
    async with GraphQLHTTPClient(serve(automatic_persisted_queries=False)) as client:
        refused = await post(client, extensions=persisted(QUERY))
        assert (refused["errors"][0]["message"], code(refused)) == (
            "PersistedQueryNotSupported",
            "PERSISTED_QUERY_NOT_SUPPORTED",
        )
        assert await post(client, query=QUERY, extensions=persisted(QUERY)) == {"data": {"greeting": "hello you"}}


def test_the_least_recently_used_are_forgotten() -> None:
    known = AutomaticDocuments(Limits(persisted_documents=2))
    for hash in ("a", "b"):
        known.keep(hash, hash * 10)
    assert known.get("a") == "a" * 10
    known.keep("c", "c")
    assert (known.get("a"), known.get("b"), known.get("c")) == ("a" * 10, None, "c")


def test_texts_are_bounded_together() -> None:
    known = AutomaticDocuments(Limits(persisted_characters=100))
    known.keep("long", "x" * 101)
    known.keep("a", "a" * 60)
    known.keep("a", "a" * 60)
    known.keep("b", "b" * 40)
    assert (known.get("long"), known.get("a"), known.get("b")) == (None, "a" * 60, "b" * 40)
    known.keep("c", "c")
    assert (known.get("a"), known.get("b"), known.get("c")) == (None, "b" * 40, "c")
