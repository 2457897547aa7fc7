"""JWTAuth: which tokens are taken, and as whom. What an attacker tries is named by its CVE or CWE."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from bff.auth.jwt import JWTAuth
from bff.auth.port import Credentials
from bff.errors import SettingsError, Unauthenticated
from bff.principal import Principal
from tests.auth.conftest import AUDIENCE, ISSUER, SigningKey, right

pytestmark = pytest.mark.anyio

SECRET = "s" * 48


def auth(keys: Any, **options: Any) -> JWTAuth:
    return JWTAuth(**{"audience": AUDIENCE, "issuer": ISSUER, "keys": keys, **options})


async def who(auth: JWTAuth, token: str | None) -> Principal | None:
    return await auth(Credentials(token=token))


async def refused(auth: JWTAuth, token: str) -> str:
    with pytest.raises(Unauthenticated) as error:
        await who(auth, token)
    return str(error.value)


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def test_a_good_token_is_its_user(signing: SigningKey) -> None:
    found = await who(auth(signing.pem), signing.sign(tenant="t1", roles=["staff"]))
    assert found is not None
    assert (found.id, found.tenant, found.groups) == ("ada", None, frozenset())
    assert found.expires_at == found.claims["exp"]
    assert found.issued_at == found.claims["iat"]
    assert found.claims["roles"] == ["staff"]


async def test_without_a_token_nobody_has_signed_in(signing: SigningKey) -> None:
    assert await who(auth(signing.pem), None) is None


async def test_claims_are_mapped(signing: SigningKey) -> None:
    mapped = auth(signing.pem, user_claim="uid", tenant_claim=("org", "id"), groups_claim=("realm_access", "roles"))
    token = signing.sign(uid="u1", org={"id": "t1"}, realm_access={"roles": ["staff", "admin"]})
    found = await who(mapped, token)
    assert found == Principal(id="u1", tenant="t1", groups=frozenset({"staff", "admin"}))


@pytest.mark.parametrize(
    "claims",
    [
        {"uid": ""},
        {"uid": 7},
        {"uid": None},
        {"uid": ["u1"]},
        {"org": ""},
        {"org": {"id": "t1"}},
        {"roles": [1]},
        {"roles": {"a": 1}},
        {"roles": [""]},
    ],
)
async def test_claims_of_another_type_are_refused(signing: SigningKey, claims: dict[str, Any]) -> None:
    mapped = auth(signing.pem, user_claim="uid", tenant_claim="org", groups_claim="roles")
    await refused(mapped, signing.sign(**{"uid": "u1", **claims}))


async def test_more_groups_than_a_query_takes_are_refused_with_what_is_wrong(signing: SigningKey) -> None:
    mapped = auth(signing.pem, groups_claim="roles")
    names = [f"group {number}" for number in range(21)]
    with pytest.raises(Unauthenticated, match="21 groups, and no more than 20"):
        await who(mapped, signing.sign(roles=names))
    found = await who(mapped, signing.sign(roles=[*names[:20], names[0]]))
    assert found is not None
    assert found.groups == frozenset(names[:20])


async def test_a_function_makes_the_principal_which_holds_no_longer_than_the_token(signing: SigningKey) -> None:
    def principal(claims: Any) -> Principal:
        return Principal(id=claims["email"], expires_at=time.time() + 1e9)

    found = await who(auth(signing.pem, principal=principal), signing.sign(email="ada@example.com"))
    assert found is not None
    assert found.id == "ada@example.com"
    assert found.expires_at == found.claims["exp"]


async def test_keys_of_several_kinds(signing: SigningKey, elliptic: SigningKey) -> None:
    both = auth([signing.pem, elliptic.jwk], algorithms=["RS256", "ES256"])
    assert await who(both, signing.sign())
    assert await who(both, elliptic.sign())
    jwks = auth({"keys": [signing.jwk, elliptic.jwk]}, algorithms=["RS256", "ES256"])
    assert await who(jwks, elliptic.sign())


async def test_a_secret(signing: SigningKey) -> None:
    shared = auth(SECRET, algorithms=["HS256"])
    assert await who(shared, jwt.encode(right(), SECRET, "HS256"))
    await refused(shared, jwt.encode(right(), SECRET + "x", "HS256"))
    await refused(shared, signing.sign())


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, 5, ["RS256"]])
@pytest.mark.parametrize("signature", ["", "AAAA"])
async def test_cve_2015_2951_alg_none_is_refused(signing: SigningKey, algorithm: Any, signature: str) -> None:
    token = f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': 'k1'})}.{part(right())}.{signature}"
    await refused(auth(signing.pem), token)


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("end", ["", "\n"])
async def test_cve_2016_10555_a_public_key_is_no_secret(signing: SigningKey, algorithm: str, end: str) -> None:
    """HS/RS confusion, CVE-2015-9235, CVE-2022-29217: signed by HMAC with the public key, which everybody has."""
    head = f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': 'k1'})}.{part(right())}"
    digest = getattr(hashlib, algorithm.replace("HS", "sha"))
    token = f"{head}.{part(hmac.new((signing.pem.strip() + end).encode(), head.encode(), digest).digest())}"
    await refused(auth(signing.pem), token)
    await refused(auth({"keys": [signing.jwk]}), token)


async def test_cwe_347_a_signature_of_another_key_or_of_other_claims_is_refused(signing: SigningKey, rotated: SigningKey) -> None:
    await refused(auth(signing.pem), rotated.sign(headers={"kid": "k1"}))
    head, _, signature = signing.sign().split(".")
    await refused(auth(signing.pem), f"{head}.{part(right(sub='root'))}.{signature}")
    await refused(auth(signing.pem), f"{head}.{part(right())}.")


async def test_cve_2018_0114_a_key_in_the_token_is_not_looked_at(signing: SigningKey, rotated: SigningKey) -> None:
    """``jwk``, ``jku``, ``x5u`` and ``x5c`` in the header name the attacker's key."""
    for header in ({"jwk": rotated.jwk}, {"jku": "https://evil.example/jwks"}, {"x5u": "https://evil.example/"}, {"x5c": ["x"]}):
        await refused(auth({"keys": [signing.jwk]}), rotated.sign(headers={**header, "kid": "k1"}))


async def test_cve_2026_32597_critical_headers_that_nobody_knows_are_refused(signing: SigningKey) -> None:
    for crit in (["x"], ["exp"], [], "x", None):
        await refused(auth(signing.pem), signing.sign(headers={"crit": crit, "x": True}))


@pytest.mark.parametrize("kid", [5, ["k1"], {"k1": 1}, True, "x" * 2000])
async def test_a_kid_of_another_type_is_refused(signing: SigningKey, kid: Any) -> None:
    _, claims, signature = signing.sign().split(".")
    await refused(auth(signing.pem), f"{part({'alg': 'RS256', 'kid': kid})}.{claims}.{signature}")


@pytest.mark.parametrize(
    ("claims", "without"),
    [
        ({"aud": "other"}, ()),
        ({"aud": ["other"]}, ()),
        ({"aud": []}, ()),
        ({"aud": {"shop": 1}}, ()),
        ({"aud": [AUDIENCE, 5]}, ()),
        ({}, ("aud",)),
        ({"iss": "https://evil.example/"}, ()),
        ({"iss": ISSUER.rstrip("/")}, ()),
        ({}, ("iss",)),
        ({"exp": 1}, ()),
        ({"exp": -1}, ()),
        ({"exp": "tomorrow"}, ()),
        ({"exp": "99999999999"}, ()),
        ({"exp": True}, ()),
        ({"exp": None}, ()),
        ({}, ("exp",)),
        ({"exp": float("inf")}, ()),
        ({"exp": float("nan")}, ()),
        ({"nbf": 99999999999}, ()),
        ({"nbf": float("-inf")}, ()),
        ({"iat": 99999999999}, ()),
        ({"sub": 5}, ()),
        ({}, ("sub",)),
    ],
    ids=str,
)
async def test_owasp_a07_claims_that_are_not_right_are_refused(
    signing: SigningKey, claims: dict[str, Any], without: tuple[str, ...]
) -> None:
    """CWE-287, CWE-613: of another audience or issuer, expired, not yet valid, or without what says so."""
    raw = json.dumps(right(without, **claims)).encode()
    token = jwt.api_jws.encode(raw, signing.private, "RS256", headers={"kid": "k1"})
    await refused(auth(signing.pem), token)


async def test_an_expired_token_is_told_so_only_where_it_is_signed(signing: SigningKey, rotated: SigningKey) -> None:
    assert await refused(auth(signing.pem), signing.sign(exp=1)) == "The token has expired."
    assert await refused(auth(signing.pem), rotated.sign(exp=1)) == "The token is not valid."


async def test_leeway_is_for_clocks_that_differ(signing: SigningKey) -> None:
    now = int(time.time())
    patient = auth(signing.pem, leeway=60)
    found = await who(patient, signing.sign(exp=now - 30, nbf=now + 30, iat=now + 30))
    assert found is not None
    assert found.expires_at == now + 30
    await refused(patient, signing.sign(exp=now - 90))


async def test_none_takes_any_audience_and_issuer(signing: SigningKey) -> None:
    lax = auth(signing.pem, audience=None, issuer=None, require_exp=False)
    found = await who(lax, signing.sign(without=("exp",), aud="whoever", iss="wherever"))
    assert found is not None
    assert found.expires_at is None


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "...", "a.b", "a.b.c", "a.b.c.d.e", "é.é.é", "\ud800.a.b", "eyJhbGciOiJSUzI1NiJ9.e30.", "x" * 9000 + ".b.c"],
)
async def test_cwe_20_what_is_no_token_is_refused(signing: SigningKey, token: str) -> None:
    await refused(auth(signing.pem), token)


async def test_cwe_400_a_token_over_16_kb_is_refused_before_it_is_read(signing: SigningKey) -> None:
    await refused(auth(signing.pem), signing.sign(filler="x" * 20_000))


async def test_cwe_674_deep_json_is_refused(signing: SigningKey) -> None:
    deep = b"[" * 5000
    await refused(auth(signing.pem), f"{part(deep)}.{part(right())}.AAAA")
    await refused(auth(signing.pem), jwt.api_jws.encode(deep, signing.private, "RS256", headers={"kid": "k1"}))


async def test_cve_2024_53861_an_issuer_is_compared_as_a_whole(signing: SigningKey) -> None:
    await refused(auth(signing.pem), signing.sign(iss=ISSUER[:8]))
    several = auth(signing.pem, issuer=[ISSUER, "https://other.example/"])
    assert await who(several, signing.sign(iss="https://other.example/"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"algorithms": ["none"]}, "a token without a signature is nobody's"),
        ({"algorithms": []}, "there are"),
        ({"algorithms": ["RS256", "HS256"]}, "make a JWTAuth for each"),
        ({"algorithms": ["HS256"], "jwks_url": "https://x.example/", "keys": None}, "is public, and no secret"),
        ({"jwks_url": "https://x.example/"}, "either jwks_url= or keys="),
        ({"keys": None}, "either jwks_url= or keys="),
        ({"keys": []}, "give at least one"),
        ({"keys": "no key"}, "no PEM of a public key"),
        ({"keys": 5}, "int is no key"),
        ({"keys": None, "jwks_url": "http://login.example.com/"}, "give an https address"),
        ({"keys": None, "jwks_url": "file:///etc/passwd"}, "give an https address"),
        ({"audience": ""}, "give a name"),
        ({"audience": []}, "give a name"),
        ({"issuer": [""]}, "give a name"),
        ({"leeway": -1}, "from 0 to 3600"),
        ({"leeway": 1e9}, "from 0 to 3600"),
        ({"user_claim": ""}, "user_claim=''"),
        ({"groups_claim": ()}, "groups_claim=()"),
        ({"keys": "short", "algorithms": ["HS256"]}, "too short for HS256"),
        ({"keys": SECRET, "algorithms": ["HS512"]}, "too short for HS512"),
    ],
    ids=str,
)
async def test_mistakes_are_told_at_construction(signing: SigningKey, options: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError) as error:
        auth(**{"keys": signing.pem, **options})
    assert says in str(error.value)


async def test_audience_and_issuer_have_to_be_said(signing: SigningKey) -> None:
    with pytest.raises(TypeError):
        JWTAuth(keys=signing.pem)  # type: ignore[call-arg]


async def test_cwe_321_keys_that_are_not_what_they_should_be_are_told(signing: SigningKey, elliptic: SigningKey) -> None:
    private = signing.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(SettingsError, match="private key"):
        auth(private)
    with pytest.raises(SettingsError, match="private key"):
        auth({**signing.jwk, "d": "AQAB"})
    with pytest.raises(SettingsError, match="is no secret"):
        auth(signing.pem, algorithms=["HS256"])
    with pytest.raises(SettingsError, match="a key is for ES256"):
        auth(elliptic.pem)
    with pytest.raises(SettingsError, match="not for signatures"):
        auth({**signing.jwk, "use": "enc"})
    with pytest.raises(SettingsError, match="kty: oct"):
        auth({"kty": "oct", "k": part(b"s" * 40)})
    # CWE-326.
    small = rsa.generate_private_key(65537, 1024).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(SettingsError, match="1024 bits is too short"):
        auth(small)


async def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, signing: SigningKey) -> None:
    monkeypatch.setattr("bff.auth.packages.find_spec", lambda name: None if name == "jwt" else object())
    with pytest.raises(SettingsError, match=r"JWTAuth needs PyJWT: pip install 'bff\[jwt\]'"):
        auth(signing.pem)
