"""What a page of another origin can have a browser send to a real server, with its user's cookies: nothing of it takes effect.

CWE-352, the four forms of it: a form, text that a script sends without asking, GET, and multipart. CWE-1385: a WebSocket.
OWASP CSRF Prevention Cheat Sheet; OWASP WebSocket Security Cheat Sheet. tests/serving/test_csrf.py has more of each.
"""

from __future__ import annotations

import json
from urllib.parse import quote, urlencode

import httpx
import pytest

from bff.testing.graphql_ws import GraphQLWSClient, HandshakeRefused
from tests.serve import BffServer

pytestmark = pytest.mark.anyio

EVIL = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Cookie": "session=1"}
TURN = 'mutation { signTurn(id: "s0") { title } }'
BODY = json.dumps({"query": TURN})

FORMS = {
    "form": ("application/x-www-form-urlencoded", urlencode({"query": TURN})),
    "text": ("text/plain", BODY),
    "text, no type": (None, BODY),
    "multipart": (
        "multipart/form-data; boundary=b",
        f'--b\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{BODY}\r\n--b--\r\n',
    ),
    "multipart by GraphQL's file upload": (
        "multipart/form-data; boundary=b",
        f'--b\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{BODY}\r\n'
        '--b\r\nContent-Disposition: form-data; name="map"\r\n\r\n{}\r\n--b--\r\n',
    ),
}


@pytest.mark.parametrize(("content_type", "body"), FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("accept", ["*/*", "text/event-stream", 'multipart/mixed;subscriptionSpec="1.0"'])
async def test_cwe_352_a_form_is_refused(server: BffServer, content_type: str | None, body: str, accept: str) -> None:
    headers = {**EVIL, "Accept": accept, **({} if content_type is None else {"Content-Type": content_type})}
    async with httpx.AsyncClient(trust_env=False) as http:
        response = await http.post(f"{server.url}/graphql", content=body.encode(), headers=headers)
        assert response.status_code == 415
        assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("accept", ["*/*", "text/html", "text/event-stream", 'multipart/mixed;subscriptionSpec="1.0"'])
@pytest.mark.parametrize("query", [TURN, "{ __typename }", 'subscription { signView(id: "s0") { title } }'])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", None])
async def test_cwe_352_a_get_is_refused(server: BffServer, accept: str, query: str, origin: str | None) -> None:
    headers = {**EVIL, "Accept": accept}
    del headers["Origin"]
    if origin is not None:
        headers["Origin"] = origin
    async with httpx.AsyncClient(trust_env=False) as http:
        response = await http.get(f"{server.url}/graphql?query={quote(query)}", headers=headers)
        assert response.status_code == 403


async def test_cwe_352_a_get_of_the_own_page_changes_nothing_either(server: BffServer) -> None:
    """A link on it is enough to send one."""
    async with httpx.AsyncClient(trust_env=False) as http:
        response = await http.get(f"{server.url}/graphql?query={quote(TURN)}", headers={"Sec-Fetch-Site": "same-origin"})
        assert response.status_code == 405


async def test_cwe_942_its_browser_is_not_told_that_it_may(server: BffServer) -> None:
    asked = {**EVIL, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    async with httpx.AsyncClient(trust_env=False) as http:
        for method in ("POST", "PUT", "DELETE"):
            asked["Access-Control-Request-Method"] = method
            response = await http.options(f"{server.url}/graphql", headers=asked)
            assert not [name for name in response.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1", "file://", "http://127.0.0.1.evil.example"]
)
async def test_cwe_1385_a_foreign_page_opens_no_socket(server: BffServer, origin: str) -> None:
    client = GraphQLWSClient.to_url(f"ws://127.0.0.1:{server.port}/graphql", headers={"Origin": origin})
    with pytest.raises(HandshakeRefused) as refused:
        await client.__aenter__()
    assert refused.value.status == 403
