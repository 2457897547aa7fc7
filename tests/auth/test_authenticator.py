"""Whatever goes wrong in asking who it is, nobody gets in by it."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from bff.auth.authenticator import Authenticator, principal_of
from bff.auth.bearer import credentials
from bff.auth.port import Credentials, IssuerUnavailable
from bff.errors import DomainError, Unauthenticated
from bff.principal import ANONYMOUS, Principal

pytestmark = pytest.mark.anyio

ADA = Principal(id="ada")


def connection(*headers: tuple[bytes, bytes]) -> HTTPConnection:
    return HTTPConnection({"type": "http", "headers": list(headers)})


def token(payload: Any = None, *headers: tuple[bytes, bytes]) -> str | None:
    return credentials(headers, payload).token


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_token_stands_in_the_header(scheme: str) -> None:
    assert token(None, (b"authorization", f"{scheme} t0k".encode())) == "t0k"
    assert token(None, (b"authorization", f"  {scheme}   t0k ".encode())) == "t0k"
    assert token() is None
    assert token(None, (b"authorization", b"Basic YTpi")) is None


@pytest.mark.parametrize("value", [b"Bearer", b"Bearer ", b"Bearer a b", b"Bearer a, Bearer b"])
async def test_a_malformed_header_is_refused(value: bytes) -> None:
    with pytest.raises(Unauthenticated):
        token(None, (b"authorization", value))


async def test_cwe_436_two_headers_are_refused() -> None:
    with pytest.raises(Unauthenticated):
        token(None, (b"authorization", b"Bearer a"), (b"Authorization", b"Bearer b"))


@pytest.mark.parametrize(
    "payload",
    [
        {"token": "t0k"},
        {"Authorization": "Bearer t0k"},
        {"authorization": "bearer t0k"},
        {"headers": {"Authorization": "Bearer t0k"}},
        {"token": "t0k", "Authorization": "Bearer t0k"},
    ],
)
async def test_a_token_stands_in_the_payload_of_a_socket(payload: dict[str, Any]) -> None:
    assert token(payload, (b"authorization", b"Bearer other")) == "t0k"


@pytest.mark.parametrize(
    "payload",
    [
        {"token": ""},
        {"token": 5},
        {"token": ["t"]},
        {"Authorization": 5},
        {"Authorization": "Bearer"},
        {"token": "a", "Authorization": "Bearer b"},
        {"Authorization": "Bearer a", "authorization": "Bearer b"},
        {"token": "x" * 20_000},
    ],
    ids=lambda payload: str(payload)[:40],
)
async def test_a_payload_that_cannot_be_meant_is_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        token(payload)


async def test_any_callable_authenticates() -> None:
    def sync(given: Credentials) -> Principal | None:
        return ADA if given.headers.get("cookie") == "session=1" else None

    async def later(given: Credentials) -> Principal | None:
        return sync(given)

    for authenticate in (sync, later):
        asking = Authenticator(authenticate)
        here = connection((b"cookie", b"session=1"))
        asking.note(here, await asking.ask(here))
        assert principal_of(here) is ADA
        assert await asking.ask(connection()) is ANONYMOUS
    assert principal_of(connection()) is ANONYMOUS


async def test_a_token_is_not_written_where_credentials_are() -> None:
    assert "t0k" not in repr(credentials([(b"authorization", b"Bearer t0k")], {"token": "t0k"}))


class Odd(DomainError):
    """said on purpose"""


@pytest.mark.parametrize(
    "error", [KeyError("secret"), RuntimeError("secret"), Odd("secret"), ExceptionGroup("secret", [OSError()])]
)
async def test_cwe_755_whatever_it_raises_refuses_and_stays_in_the_log(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(given: Credentials) -> Principal:
        raise error

    with caplog.at_level(logging.ERROR, "bff.auth"), pytest.raises(Unauthenticated) as refused:
        await Authenticator(fail).ask(connection())
    assert "secret" not in str(refused.value)
    assert "secret" in caplog.text


@pytest.mark.parametrize("answer", [True, "ada", {"id": "ada"}, 0, False, object()])
async def test_cwe_253_whatever_is_no_principal_refuses(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Unauthenticated):
        await Authenticator(lambda given: answer).ask(connection())


async def test_its_own_refusal_says_why() -> None:
    def refuse(given: Credentials) -> Principal:
        raise Unauthenticated("that account is closed")

    with pytest.raises(Unauthenticated, match="that account is closed"):
        await Authenticator(refuse).ask(connection())


async def test_what_takes_too_long_refuses() -> None:
    async def think(given: Credentials) -> Principal:
        await asyncio.Event().wait()
        return ADA

    with pytest.raises(IssuerUnavailable):
        await Authenticator(think, seconds=0.01).ask(connection())


async def test_cwe_613_a_principal_that_has_expired_is_refused() -> None:
    with pytest.raises(Unauthenticated, match="expired"):
        await Authenticator(lambda given: Principal(id="ada", expires_at=time.time() - 1)).ask(connection())
