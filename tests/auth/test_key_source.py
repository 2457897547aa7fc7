"""The keys of an issuer: over real HTTP, on a clock in the test's hand."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bff.auth.jwt import JWTAuth
from bff.auth.key_source import FetchedKeys
from bff.auth.port import Credentials, IssuerUnavailable
from bff.errors import Unauthenticated
from tests.auth.conftest import AUDIENCE, ISSUER, Issuer, SigningKey

pytestmark = pytest.mark.anyio


async def test_keys_are_fetched_once_and_kept(issuer: Issuer, signing: SigningKey) -> None:
    async with JWTAuth(jwks_url=issuer.url, audience=AUDIENCE, issuer=ISSUER) as auth:
        for _ in range(5):
            found = await auth(Credentials(token=signing.sign()))
            assert found is not None
            assert found.id == "ada"
    assert issuer.served == 1


async def test_one_fetch_is_made_for_all_that_wait(issuer: Issuer, signing: SigningKey, clock: Any) -> None:
    keys = FetchedKeys(issuer.url, clock=clock)
    found = await asyncio.gather(*(keys.find("k1") for _ in range(50)), *(keys.find("nobody") for _ in range(50)))
    assert [len(one) for one in found] == [1] * 50 + [0] * 50
    assert issuer.served == 1


async def test_a_key_that_is_rotated_in_is_found(issuer: Issuer, signing: SigningKey, rotated: SigningKey, clock: Any) -> None:
    keys = FetchedKeys(issuer.url, refetch_seconds=10, clock=clock)
    assert await keys.find("k1")
    issuer.publish(signing, rotated)
    clock.now += 10
    assert await keys.find("k2")
    assert await keys.find("k1")
    assert issuer.served == 2


async def test_a_key_that_is_rotated_out_counts_no_longer_than_it_is_kept(
    issuer: Issuer, signing: SigningKey, rotated: SigningKey, clock: Any
) -> None:
    keys = FetchedKeys(issuer.url, cache_seconds=600, clock=clock)
    assert await keys.find("k1")
    issuer.publish(rotated)
    clock.now += 599
    assert await keys.find("k1")
    clock.now += 1
    assert not await keys.find("k1")


async def test_cwe_400_a_flood_of_unknown_kids_does_not_reach_the_issuer(issuer: Issuer, clock: Any) -> None:
    keys = FetchedKeys(issuer.url, refetch_seconds=10, clock=clock)
    for number in range(1000):
        clock.now += 0.01
        assert not await keys.find(f"unknown {number}")
    assert issuer.served == 1
    clock.now += 10
    await asyncio.gather(*(keys.find(f"unknown {number}") for number in range(1000)))
    assert issuer.served == 2


async def test_the_issuer_says_how_long_they_are_kept(issuer: Issuer, clock: Any) -> None:
    issuer.headers = "Cache-Control: public, max-age=3600, must-revalidate\r\n"
    keys = FetchedKeys(issuer.url, cache_seconds=60, clock=clock)
    await keys.find("k1")
    clock.now += 3599
    await keys.find("k1")
    assert issuer.served == 1
    clock.now += 1
    await keys.find("k1")
    assert issuer.served == 2


async def test_stale_keys_count_while_the_issuer_is_down_but_not_for_ever(issuer: Issuer, clock: Any) -> None:
    keys = FetchedKeys(issuer.url, cache_seconds=600, stale_seconds=3600, clock=clock)
    assert await keys.find("k1")
    issuer.status = "503 Service Unavailable"
    clock.now += 600
    assert await keys.find("k1")
    clock.now += 1800
    assert await keys.find("k1")
    clock.now += 1800
    with pytest.raises(IssuerUnavailable):
        await keys.find("k1")
    issuer.status = "200 OK"
    clock.now += 10
    assert await keys.find("k1")
    await keys.close()


async def test_while_the_issuer_hangs_known_keys_are_answered_at_once(issuer: Issuer, clock: Any) -> None:
    keys = FetchedKeys(issuer.url, cache_seconds=600, clock=clock)
    assert await keys.find("k1")
    issuer.status = "500 Oops"
    clock.now += 600
    assert await keys.find("k1")  # this one has waited for the failure
    issuer.asked.clear()
    issuer.open.clear()
    clock.now += 10
    assert await keys.find("k1")  # this one has not: the issuer does not answer
    await issuer.asked.wait()
    await keys.close()
    issuer.open.set()


async def test_without_any_keys_it_is_not_the_token_that_is_wrong(issuer: Issuer, signing: SigningKey) -> None:
    issuer.status = "500 Oops"
    auth = JWTAuth(jwks_url=issuer.url, audience=AUDIENCE, issuer=ISSUER)
    for _ in range(3):
        with pytest.raises(IssuerUnavailable):
            await auth(Credentials(token=signing.sign()))
    assert issuer.served == 1


async def test_an_issuer_that_does_not_answer_is_given_up_in_time(issuer: Issuer) -> None:
    issuer.open.clear()
    keys = FetchedKeys(issuer.url, timeout=0.05)
    with pytest.raises(IssuerUnavailable):
        await keys.find("k1")
    issuer.open.set()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": 5}',
        b'{"keys": []}',
        b'{"keys": [5, null, {}]}',
        b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "k1"}]}',
        b'{"k1": "no certificate"}',
        json.dumps({"keys": [{"kty": "RSA"}] * 101}).encode(),
        b" " * 600_000,
    ],
    ids=lambda body: body[:20].decode(),
)
async def test_what_is_no_jwks_of_public_keys_is_not_taken(issuer: Issuer, body: bytes) -> None:
    """CWE-345; a secret that is published (kty: oct) is nobody's secret."""
    issuer.body = body
    with pytest.raises(IssuerUnavailable):
        await FetchedKeys(issuer.url).find("k1")


async def test_cwe_601_a_redirect_is_not_followed(issuer: Issuer) -> None:
    issuer.status, issuer.headers = "302 Found", "Location: http://169.254.169.254/\r\n"
    with pytest.raises(IssuerUnavailable):
        await FetchedKeys(issuer.url).find("k1")
    assert issuer.served == 1


async def test_a_token_without_a_kid_needs_the_only_key(
    issuer: Issuer, signing: SigningKey, rotated: SigningKey, clock: Any
) -> None:
    keys = FetchedKeys(issuer.url, clock=clock)
    assert await keys.find(None)
    issuer.publish(signing, rotated)
    clock.now += 600
    assert not await keys.find(None)


async def test_of_two_keys_that_are_published_the_kid_decides(issuer: Issuer, signing: SigningKey, rotated: SigningKey) -> None:
    issuer.publish(signing, rotated)
    async with JWTAuth(jwks_url=issuer.url, audience=AUDIENCE, issuer=ISSUER) as auth:
        assert await auth(Credentials(token=rotated.sign()))
        with pytest.raises(Unauthenticated):
            await auth(Credentials(token=rotated.sign(headers={"kid": "k1"})))
