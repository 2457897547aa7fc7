"""What pages of other origins can make a browser send, with the user's cookies (CWE-352; OWASP CSRF Prevention Cheat Sheet)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from bff.testing.graphql_http import GraphQLHTTPClient

pytestmark = pytest.mark.anyio

EVIL = "https://evil.example"
DOCK = "mutation { dock }"
QUERY = "{ __typename }"


async def docked(client: GraphQLHTTPClient) -> int:
    """How often the mutation was done, this time included."""
    return int((await client.execute(DOCK))["data"]["dock"])


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b'{"query": "mutation { dock }"}', "text/plain"),
        (b'{"query": "mutation { dock }"}', "text/plain;charset=UTF-8; application/json"),
        (b"query=mutation+%7B+dock+%7D", "application/x-www-form-urlencoded"),
        (
            b'--b\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{"query": "mutation { dock }"}\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
        ),
        (b'{"query": "mutation { dock }"}', None),
    ],
    ids=["text", "text that names JSON", "form", "multipart", "nothing"],
)
async def test_a_form_of_another_page_does_nothing(either: Any, content: bytes, content_type: str | None) -> None:
    async with GraphQLHTTPClient(either()) as client:
        headers = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
        if content_type is not None:
            headers["Content-Type"] = content_type
        response = await client.http.post("/graphql", content=content, headers=headers)
        assert response.status_code == 415
        assert await docked(client) == 1


async def get(client: GraphQLHTTPClient, query: str, **headers: str) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.http.get("/graphql", params={"query": query}, headers={"Accept": "*/*", **sent})


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": EVIL, "Accept": "text/event-stream"},
    ],
)
async def test_a_get_of_another_page_is_refused(either: Any, headers: dict[str, str]) -> None:
    async with GraphQLHTTPClient(either()) as client:
        response = await get(client, QUERY, **headers)
        assert response.status_code == 403
        if "Accept" not in headers:
            assert response.json()["errors"][0]["extensions"]["code"] == "ORIGIN_NOT_ALLOWED"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://testserver"},
        {"Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "none"},
        {"Origin": EVIL, "GraphQL_Require_Preflight": "1"},
        {"Sec_Fetch_Site": "cross-site", "X_Requested_With": "x"},
    ],
)
async def test_a_get_of_the_own_page_or_of_one_that_had_to_ask_first_is_answered(either: Any, headers: dict[str, str]) -> None:
    async with GraphQLHTTPClient(either()) as client:
        assert (await get(client, QUERY, **headers)).json() == {"data": {"__typename": "Query"}}


async def test_an_allowed_page_is_told_so_when_its_browser_asks(either: Any) -> None:
    page = "https://app.example.com"
    async with GraphQLHTTPClient(either(allowed_origins=[page])) as client:
        assert (await get(client, QUERY, Origin=page)).status_code == 200
        assert (await get(client, QUERY, Origin=EVIL)).status_code == 403
