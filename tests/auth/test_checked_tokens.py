"""Tokens that were checked a moment ago: which are taken without checking them again, and for how long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from bff.auth.authenticator import Authenticator
from bff.auth.checked_tokens import KEPT_SECONDS, LONGEST, CheckedTokens
from bff.auth.jwt import JWTAuth
from bff.auth.port import Credentials
from bff.auth.revocation import Revocations
from bff.datastore.connect import open_datastore
from bff.errors import Unauthenticated
from bff.principal import Principal
from tests.auth.conftest import AUDIENCE, ISSUER, Issuer, SigningKey

pytestmark = pytest.mark.anyio


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def checked() -> tuple[CheckedTokens, Clock, Clock]:
    wall, monotonic = Clock(1_000_000.0), Clock(50.0)
    return CheckedTokens(clock=wall, monotonic=monotonic, most=3), wall, monotonic


ADA = Principal(id="ada", expires_at=1_000_030.0)
BEN = Principal(id="ben")


def test_a_token_is_known_until_it_expires_or_for_a_minute(checked: tuple[CheckedTokens, Clock, Clock]) -> None:
    tokens, wall, monotonic = checked
    tokens.keep("a", ADA, 0)
    tokens.keep("b", BEN, 0)
    assert tokens.known("a", 0) is ADA
    assert tokens.known("A", 0) is None
    wall.now += 30
    assert tokens.known("a", 0) is None
    monotonic.now += KEPT_SECONDS - 1
    wall.now -= 3600  # somebody sets the clock: what is kept is not kept for longer by that
    assert tokens.known("b", 0) is BEN
    assert tokens.known("a", 0) is None, "it has been forgotten"
    monotonic.now += 1
    assert tokens.known("b", 0) is None
    assert len(tokens) == 0


def test_with_other_keys_none_is_known(checked: tuple[CheckedTokens, Clock, Clock]) -> None:
    tokens, _, _ = checked
    tokens.keep("a", BEN, 1)
    assert tokens.known("a", 2) is None
    assert tokens.known("a", 1) is None


def test_what_is_kept_is_bounded(checked: tuple[CheckedTokens, Clock, Clock]) -> None:
    tokens, _, _ = checked
    for token in "abc":
        tokens.keep(token, BEN, 0)
    assert tokens.known("a", 0) is BEN
    tokens.keep("d", BEN, 0)
    assert [tokens.known(token, 0) is BEN for token in "abcd"] == [True, False, True, True]
    tokens.keep("x" * (LONGEST + 1), BEN, 0)
    assert tokens.known("x" * (LONGEST + 1), 0) is None
    assert len(tokens) == 3


def counting(made: list[str]) -> Callable[[Any], Principal]:
    def principal(claims: Any) -> Principal:
        made.append(claims["sub"])
        return Principal(id=claims["sub"])

    return principal


async def test_a_good_token_is_checked_once(signing: SigningKey) -> None:
    made: list[str] = []
    auth = JWTAuth(audience=AUDIENCE, issuer=ISSUER, keys=signing.pem, principal=counting(made))
    ada, ben = signing.sign(), signing.sign(sub="ben")
    for token, user in ((ada, "ada"), (ben, "ben"), (ada, "ada"), (ben, "ben")):
        found = await auth(Credentials(token=token))
        assert found is not None
        assert found.id == user
    assert made == ["ada", "ben"]


async def test_cwe_347_what_is_like_a_token_that_was_taken_is_refused(signing: SigningKey, rotated: SigningKey) -> None:
    auth = JWTAuth(audience=AUDIENCE, issuer=ISSUER, keys=signing.pem)
    good = signing.sign()
    assert await auth(Credentials(token=good)) is not None
    header, claims, signature = good.split(".")
    for other in (rotated.sign(), f"{header}.{claims}.", f"{header}.{claims}.{signature[:-4]}AAAA", good + "A", good[:-1]):
        for _ in range(2):
            with pytest.raises(Unauthenticated):
                await auth(Credentials(token=other))


async def test_cwe_613_a_token_that_was_taken_expires(signing: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    auth = JWTAuth(audience=AUDIENCE, issuer=ISSUER, keys=signing.pem)
    token = signing.sign()
    wall = Clock(time.time())
    monkeypatch.setattr(auth, "_checked", CheckedTokens(clock=wall))
    authenticator = Authenticator(auth, clock=wall)
    connection = {"type": "http", "headers": [(b"authorization", f"Bearer {token}".encode())]}
    assert (await authenticator.ask(HTTPConnection(connection))).id == "ada"
    wall.now += 3601
    with pytest.raises(Unauthenticated, match="expired"):
        await authenticator.ask(HTTPConnection(connection))


async def test_cwe_613_a_token_that_was_taken_can_be_revoked(signing: SigningKey) -> None:
    auth = JWTAuth(audience=AUDIENCE, issuer=ISSUER, keys=signing.pem)
    connection = {"type": "http", "headers": [(b"authorization", f"Bearer {signing.sign()}".encode())]}
    async with open_datastore("sqlite://") as datastore, Revocations(datastore, hours=1) as revocations:
        authenticator = Authenticator(auth, revocations)
        for _ in range(2):
            assert (await authenticator.ask(HTTPConnection(connection))).id == "ada"
        await revocations.revoke(user="ada")
        with pytest.raises(Unauthenticated, match="revoked"):
            await authenticator.ask(HTTPConnection(connection))


async def test_a_key_that_is_taken_back_takes_its_tokens_with_it(
    issuer: Issuer, signing: SigningKey, rotated: SigningKey
) -> None:
    """Whatever has the keys fetched: here, a token of the new one."""
    async with JWTAuth(audience=AUDIENCE, issuer=ISSUER, jwks_url=issuer.url, cache_seconds=3600, refetch_seconds=1e-9) as auth:
        old = signing.sign()
        assert await auth(Credentials(token=old)) is not None
        issuer.publish(rotated)
        assert await auth(Credentials(token=old)) is not None
        assert await auth(Credentials(token=rotated.sign())) is not None
        with pytest.raises(Unauthenticated):
            await auth(Credentials(token=old))
