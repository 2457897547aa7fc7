"""Routes of the app's own know who asks, where they ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

import bff
from bff import Credentials, DomainModel, Principal, Store, Unauthenticated, ViewModel, field, reference
from bff.auth.port import IssuerUnavailable
from bff.settings import Settings
from bff.testing.harness import AppHarness

pytestmark = pytest.mark.anyio

ASKED: list[str | None] = []


class Lamp(DomainModel, collection="own_lamps"):
    watts: int = 0


class LampStore(Store):
    lamp = reference(Lamp)


class LampView(ViewModel):
    store: LampStore

    @field
    def watts(self) -> int:
        return self.store.lamp.watts


async def auth(credentials: Credentials) -> Principal | None:
    ASKED.append(credentials.token)
    match credentials.token:
        case "ada":
            return Principal(id="ada")
        case "old":
            return Principal(id="ada", expires_at=1.0)
        case "later":
            raise IssuerUnavailable("not now")
        case None:
            return Principal(id="by cookie") if "session=ada" in credentials.headers.get("cookie", "") else None
        case _:
            raise Unauthenticated("sign in again")


async def who(request: Request) -> PlainTextResponse:
    principal = await bff.identify(request)
    assert await bff.identify(request) is principal, "asked once"
    return PlainTextResponse(f"{principal.id} at {request.url_for('who').path}")


async def closed(request: Request) -> PlainTextResponse:
    if not bff.signed_in(await bff.identify(request)):
        raise Unauthenticated("sign in")
    raise bff.Forbidden("not even you")


async def open_to_all(request: Request) -> PlainTextResponse:
    return PlainTextResponse("open")


async def chat(websocket: WebSocket) -> None:
    principal = await bff.identify(websocket)
    await websocket.accept()
    await websocket.send_text(str(principal.id))
    await websocket.close()


ROUTES: Sequence[BaseRoute] = [
    Route("/who", who, methods=["GET", "POST"], name="who"),
    Route("/closed", closed),
    Route("/open", open_to_all),
    WebSocketRoute("/chat", chat),
    Mount("/inner", app=Starlette(routes=[Route("/who", who, name="who")])),
]


def an_app(auth: Any = auth) -> bff.App:
    return bff.App(views=[LampView], routes=ROUTES, auth=auth)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_route_is_told_who_asks() -> None:
    ASKED.clear()
    async with AppHarness(an_app()) as running:
        assert (await running.http.get("/who", headers=bearer("ada"))).text == "ada at /who"
        assert ASKED == ["ada"]
        assert (await running.http.get("/who")).text == "None at /who"
        assert (await running.http.get("/inner/who", headers=bearer("ada"))).text.startswith("ada at /")
        ASKED.clear()
        assert (await running.http.get("/open", headers=bearer("forged"))).text == "open"
        assert ASKED == [], "who does not ask costs nothing"


async def test_without_auth_everybody_is_nobody() -> None:
    async with AppHarness(an_app(auth=None)) as running:
        assert (await running.http.get("/who", headers=bearer("ada"))).text == "None at /who"


@pytest.mark.parametrize(
    ("path", "token", "status", "code", "challenge"),
    [
        ("/who", "forged", 401, "UNAUTHENTICATED", 'Bearer error="invalid_token"'),
        ("/who", "old", 401, "UNAUTHENTICATED", 'Bearer error="invalid_token"'),
        ("/who", "later", 503, "UNAVAILABLE", None),
        ("/closed", None, 401, "UNAUTHENTICATED", "Bearer"),
        ("/closed", "ada", 403, "FORBIDDEN", None),
    ],
)
async def test_who_is_refused_is_told_why(path: str, token: str | None, status: int, code: str, challenge: str | None) -> None:
    async with AppHarness(an_app()) as running:
        answer = await running.http.get(path, headers={} if token is None else bearer(token))
    assert (answer.status_code, answer.headers.get("WWW-Authenticate")) == (status, challenge)
    assert answer.json()["errors"][0]["extensions"]["code"] == code
    assert answer.headers["Cache-Control"] == "no-store"


async def test_whoever_is_revoked_is_refused() -> None:
    app = an_app()
    async with AppHarness(app) as running:
        await app.revoke(user="ada")
        assert (await running.http.get("/who", headers=bearer("ada"))).status_code == 401


async def test_a_page_of_another_origin_is_told_nothing_by_the_users_cookie() -> None:
    """CWE-352: a form of another page is sent with the cookie, and with the page's origin."""
    cookie = {"Cookie": "session=ada"}
    settings = Settings(datastore_url="sqlite://", allowed_origins=("https://friend.example",))
    async with AppHarness(an_app(), settings=settings) as running:
        for origin, status in (
            ("http://app.test", 200),
            ("https://friend.example", 200),
            ("https://elsewhere.example", 403),
            ("null", 403),
        ):
            for method in ("GET", "POST"):
                answer = await running.http.request(method, "/who", headers={**cookie, "Origin": origin})
                assert answer.status_code == status, (origin, method)
        assert (await running.http.get("/who", headers=cookie)).text == "by cookie at /who"


async def opened(app: bff.App, token: str, origin: str) -> list[str | int]:
    """What a socket was sent: texts, and the code of its end."""
    headers = [(b"host", b"app.test"), (b"origin", origin.encode()), (b"authorization", f"Bearer {token}".encode())]
    sent: list[str | int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        if message["type"] == "websocket.send":
            sent.append(message["text"])
        elif message["type"] == "websocket.close":
            sent.append(message["code"])

    scope = {"type": "websocket", "path": "/chat", "query_string": b"", "headers": headers, "subprotocols": []}
    await app(scope, receive, send)
    return sent


async def test_a_socket_of_ones_own() -> None:
    """CWE-1385: a page of another origin opens none, nor does who shows what is wrong."""
    app = an_app()
    async with AppHarness(app):
        assert await opened(app, "ada", "http://app.test") == ["ada", 1000]
        assert await opened(app, "ada", "https://elsewhere.example") == [4403]
        assert await opened(app, "forged", "http://app.test") == [4403]
        assert await opened(app, "later", "http://app.test") == [1013]
