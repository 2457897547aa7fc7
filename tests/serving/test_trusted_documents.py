"""Trusted documents: what is in the manifest is executed, and nothing else."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from bff.errors import SettingsError
from bff.serving.manifest import PersistedDocument, dump_manifest, read_manifest
from bff.testing.graphql_http import GraphQLHTTPClient
from bff.testing.graphql_ws import GraphQLWSClient, OperationFailed

pytestmark = pytest.mark.anyio

GREET = "query Greet { greeting }"
DOCK = "mutation Dock { dock }"
COUNT = "subscription Count { count(to: 1) }"
OTHER = "{ ship { name } }"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


MANIFEST = (
    PersistedDocument(sha256(GREET), GREET, "Greet", "query"),
    PersistedDocument("dock-1", DOCK, "Dock", "mutation"),
    PersistedDocument(sha256(COUNT), COUNT),
)


def code(answer: dict[str, Any]) -> str:
    text: str = answer["errors"][0]["extensions"]["code"]
    return text


async def post(client: GraphQLHTTPClient, **parameters: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await client.http.post("/graphql", json=parameters)).json()
    return answer


@pytest.mark.parametrize(
    "parameters",
    [
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(GREET)}}},
        {"documentId": sha256(GREET)},
        {"documentId": f"sha256:{sha256(GREET)}"},
        {"query": GREET},
        {"query": GREET, "extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(GREET)}}},
    ],
)
async def test_a_document_is_named_or_sent_as_it_is(serve: Any, parameters: dict[str, Any]) -> None:
    async with GraphQLHTTPClient(serve(trusted_documents=MANIFEST)) as client:
        assert await post(client, **parameters) == {"data": {"greeting": "hello you"}}
        query = {name: value if isinstance(value, str) else json.dumps(value) for name, value in parameters.items()}
        assert (await client.http.get("/graphql", params=query)).json() == {"data": {"greeting": "hello you"}}


async def test_ids_that_are_no_hashes(serve: Any, harbour: Any) -> None:
    async with GraphQLHTTPClient(serve(trusted_documents=MANIFEST)) as client:
        assert await post(client, documentId="dock-1") == {"data": {"dock": 1}}
        assert await post(client, extensions={"persistedQuery": {"version": 1, "sha256Hash": "dock-1"}}) == {"data": {"dock": 2}}
        assert await post(client, documentId=f"sha256:{sha256(DOCK)}") == {"data": {"dock": 3}}


@pytest.mark.parametrize(
    "parameters",
    [
        {"query": OTHER},
        {"query": f"{GREET} "},
        {"query": "{"},
        {"query": OTHER, "extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(OTHER)}}},
        {"query": OTHER, "extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(GREET)}}},
        {"query": OTHER, "documentId": sha256(GREET)},
        {"documentId": "nope"},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(OTHER)}}},
    ],
)
async def test_nothing_else_is_executed(serve: Any, parameters: dict[str, Any]) -> None:
    app = serve(trusted_documents=MANIFEST, batch_operations=2)
    async with GraphQLHTTPClient(app) as client:
        assert code(await post(client, **parameters)) == "DOCUMENT_NOT_TRUSTED"
        [batched] = (await client.http.post("/graphql", json=[parameters])).json()
        assert code(batched) == "DOCUMENT_NOT_TRUSTED"
        async with GraphQLWSClient.to_app(app) as socket:
            await socket.init()
            await socket.send({"id": "a", "type": "subscribe", "payload": parameters})
            with pytest.raises(OperationFailed, match="trusted"):
                await socket.next("a")


async def test_subscriptions_are_trusted_too(serve: Any) -> None:
    async with GraphQLWSClient.to_app(serve(trusted_documents=MANIFEST)) as socket:
        await socket.init()
        await socket.send({"id": "a", "type": "subscribe", "payload": {"documentId": sha256(COUNT)}})
        assert await socket.next("a") == {"data": {"count": 1}}


async def test_an_empty_manifest_trusts_nothing(serve: Any) -> None:
    async with GraphQLHTTPClient(serve(trusted_documents=())) as client:
        assert code(await post(client, query=GREET)) == "DOCUMENT_NOT_TRUSTED"


async def test_while_a_client_is_being_written_other_documents_are_executed_too(serve: Any) -> None:
    async with GraphQLHTTPClient(serve(trusted_documents=MANIFEST, trusted_documents_only=False)) as client:
        assert await post(client, documentId=sha256(GREET)) == {"data": {"greeting": "hello you"}}
        assert await post(client, query="{ greeting }") == {"data": {"greeting": "hello you"}}
        named = {"persistedQuery": {"version": 1, "sha256Hash": sha256("{ greeting }")}}
        assert code(await post(client, extensions=named)) == "PERSISTED_QUERY_NOT_FOUND"


async def test_limits_on_documents_are_for_strangers(serve: Any) -> None:
    long = "{" + " ".join(f"a{number}: greeting" for number in range(100)) + "}"
    async with GraphQLHTTPClient(serve(trusted_documents=[PersistedDocument("long", long)], query_tokens=50)) as client:
        assert len((await post(client, documentId="long"))["data"]) == 100


def test_documents_that_do_not_fit_the_schema_are_named_at_start_up(serve: Any) -> None:
    manifest = (*MANIFEST, PersistedDocument("1", "query Old { gone }", "Old"), PersistedDocument("2", "{"))
    with pytest.raises(SettingsError, match=r"Old \(Cannot query field 'gone' on type 'Query'\.\), 2 \(Syntax Error"):
        serve(trusted_documents=manifest)


def test_both_formats_are_read(tmp_path: Path) -> None:
    plain, apollo = tmp_path / "plain.json", tmp_path / "apollo.json"
    plain.write_text(json.dumps({one.id: one.body for one in MANIFEST}))
    assert [(one.id, one.body) for one in read_manifest(plain)] == [(one.id, one.body) for one in MANIFEST]
    apollo.write_bytes(dump_manifest(MANIFEST))
    assert read_manifest(apollo) == MANIFEST


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file"),
        ("", "is not JSON"),
        ("[]", "not a JSON object"),
        ('{"format": "relay"}', "format 'relay', version None is not known"),
        ('{"format": "apollo-persisted-query-manifest", "version": 2}', "version 2 is not known"),
        ('{"format": "apollo-persisted-query-manifest", "version": 1}', "'operations' is not a list"),
        ('{"format": "apollo-persisted-query-manifest", "version": 1, "operations": [1]}', r"operations\[0\] is not an object"),
        ('{"format": "apollo-persisted-query-manifest", "version": 1, "operations": [{"id": "a"}]}', "'body' is missing"),
        ('{"a": 1}', "'a' is missing, empty or not a string"),
        ('{"a": " "}', "'a' is missing, empty or not a string"),
        (
            '{"format": "apollo-persisted-query-manifest", "version": 1, '
            '"operations": [{"id": "a", "body": "{ a }"}, {"id": "a", "body": "{ b }"}]}',
            "two documents have the id 'a'",
        ),
    ],
)
def test_what_is_no_manifest(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "manifest.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match=message):
        read_manifest(path)
