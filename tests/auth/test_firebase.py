"""Firebase ID tokens: signed with Google's certificates, here with our own, and the Auth emulator's, which nobody signs."""

from __future__ import annotations

import base64
import datetime
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from bff.auth.firebase import EMULATOR_VARIABLE, FirebaseAuth
from bff.auth.port import Credentials
from bff.errors import SettingsError, Unauthenticated
from bff.principal import Principal
from tests.auth.conftest import Issuer, SigningKey

pytestmark = pytest.mark.anyio

PROJECT = "my-shop"


def certificate(key: SigningKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "securetoken.system.gserviceaccount.com")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.private.public_key(), 1, now, now + datetime.timedelta(days=1))
    return made.sign(key.private, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def claims(**others: Any) -> dict[str, Any]:
    now = int(time.time())
    firebase = {"identities": {}, "sign_in_provider": "password"}
    return {
        "aud": PROJECT,
        "iss": f"https://securetoken.google.com/{PROJECT}",
        "auth_time": now - 100,
        "user_id": "uid1",
        "sub": "uid1",
        "firebase": firebase,
        **others,
    }


def unsigned(**others: Any) -> str:
    now = int(time.time())
    parts = ({"alg": "none", "typ": "JWT"}, {**claims(), "iat": now, "exp": now + 3600, **others})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


@pytest.fixture
async def google(signing: SigningKey) -> AsyncIterator[Issuer]:
    issuer = Issuer()
    issuer.body = json.dumps({"k1": certificate(signing)}).encode()
    issuer.headers = "Cache-Control: public, max-age=20000, must-revalidate, no-transform\r\n"
    async with issuer.running() as running:
        yield running


async def test_an_id_token_is_its_user(google: Issuer, signing: SigningKey) -> None:
    auth = FirebaseAuth(project=PROJECT, certificates_url=google.url, groups_claim="roles")
    for _ in range(3):
        found = await auth(Credentials(token=signing.sign(**claims(roles=["staff"]))))
        assert found == Principal(id="uid1", groups=frozenset({"staff"}))
    assert google.served == 1
    assert await auth(Credentials()) is None


async def test_the_tenant_is_identity_platforms(google: Issuer, signing: SigningKey) -> None:
    auth = FirebaseAuth(project=PROJECT, certificates_url=google.url)
    token = signing.sign(**claims(firebase={"tenant": "t1", "sign_in_provider": "password"}))
    found = await auth(Credentials(token=token))
    assert found is not None
    assert found.tenant == "t1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "other"},
        {"iss": "https://securetoken.google.com/other"},
        {"iss": "https://evil.example/my-shop"},
        {"sub": ""},
        {"sub": "x" * 129},
        {"sub": None},
        {"auth_time": 99999999999},
        {"auth_time": None},
        {"auth_time": "1"},
        {"auth_time": True},
        {"iat": 99999999999},
        {"iat": None},
        {"exp": 1},
        {"firebase": {"tenant": 5}},
        {"firebase": {"tenant": ""}},
    ],
    ids=str,
)
@pytest.mark.parametrize("emulated", [False, True])
async def test_cwe_287_what_is_not_as_firebase_says_is_refused(
    google: Issuer, signing: SigningKey, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], emulated: bool
) -> None:
    monkeypatch.setenv(EMULATOR_VARIABLE, "127.0.0.1:9099")
    auth = FirebaseAuth(project=PROJECT, certificates_url=google.url, emulator=emulated)
    token = unsigned(**wrong) if emulated else signing.sign(**claims(**wrong))
    with pytest.raises(Unauthenticated):
        await auth(Credentials(token=token))


async def test_cwe_347_a_token_that_google_has_not_signed_is_refused(
    google: Issuer, signing: SigningKey, rotated: SigningKey, elliptic: SigningKey
) -> None:
    auth = FirebaseAuth(project=PROJECT, certificates_url=google.url)
    without_kid = SigningKey(None)
    without_kid.private = signing.private
    for token in (
        rotated.sign(**claims()),
        rotated.sign(**claims(), headers={"kid": "k1"}),
        elliptic.sign(**claims(), headers={"kid": "k1"}),
        without_kid.sign(**claims()),
        unsigned(),
    ):
        with pytest.raises(Unauthenticated):
            await auth(Credentials(token=token))


async def test_the_emulators_tokens_are_taken_where_that_is_said_twice(
    google: Issuer, signing: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(EMULATOR_VARIABLE, raising=False)
    with pytest.raises(SettingsError, match=EMULATOR_VARIABLE):
        FirebaseAuth(project=PROJECT, emulator=True)
    monkeypatch.setenv(EMULATOR_VARIABLE, "127.0.0.1:9099")
    auth = FirebaseAuth(project=PROJECT, certificates_url=google.url, emulator=True)
    assert await auth(Credentials(token=unsigned())) == Principal(id="uid1")
    # And no others, nor one with something where the signature is.
    for token in (signing.sign(**claims()), unsigned() + "AAAA", "x" * 20_000):
        with pytest.raises(Unauthenticated):
            await auth(Credentials(token=token))
    # The variable alone lets nobody in: CWE-489.
    strict = FirebaseAuth(project=PROJECT, certificates_url=google.url)
    with pytest.raises(Unauthenticated):
        await strict(Credentials(token=unsigned()))


@pytest.mark.parametrize("project", ["", "My Shop", "a/b", "shop?"])
async def test_a_project_that_is_none_is_told(project: str) -> None:
    with pytest.raises(SettingsError, match="give the id of a project"):
        FirebaseAuth(project=project)
