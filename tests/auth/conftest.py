"""Real keys, tokens signed with them, and an issuer that serves them over HTTP."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE, ISSUER = "shop", "https://login.example.com/"
NOW = 4_000_000_000
"""Where a test's clock begins, in Unix seconds: after the machine's, by which what has expired is removed from a datastore."""


class SigningKey:
    """A key pair with its kid; ``sign`` makes tokens that are right but for what is said otherwise."""

    def __init__(self, kid: str | None, algorithm: str = "RS256") -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.private: Any = (
            rsa.generate_private_key(65537, 2048) if algorithm.startswith("RS") else ec.generate_private_key(ec.SECP256R1())
        )

    @property
    def pem(self) -> str:
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def jwk(self) -> dict[str, Any]:
        kind: Any = RSAAlgorithm if self.algorithm.startswith("RS") else ECAlgorithm
        jwk: dict[str, Any] = kind.to_jwk(self.private.public_key(), as_dict=True)
        return {**jwk, "use": "sig", **({} if self.kid is None else {"kid": self.kid})}

    def sign(self, *, headers: dict[str, Any] | None = None, without: tuple[str, ...] = (), **claims: Any) -> str:
        kid = {} if self.kid is None else {"kid": self.kid}
        return jwt.encode(right(without, **claims), self.private, self.algorithm, headers={**kid, **(headers or {})})


def right(without: tuple[str, ...] = (), **claims: Any) -> dict[str, Any]:
    """The claims of a token that is good for an hour, but for those given."""
    now = int(time.time())
    whole = {"sub": "ada", "aud": AUDIENCE, "iss": ISSUER, "iat": now - 5, "exp": now + 3600, **claims}
    return {name: value for name, value in whole.items() if name not in without}


class Issuer:
    """Serves a JWKS; ``served`` is how often. ``body``, ``status`` and ``headers`` are what it answers, ``open`` when."""

    def __init__(self, *keys: SigningKey) -> None:
        self.url = ""
        self.served = 0
        self.status = "200 OK"
        self.headers = ""
        self.body = b""
        self.open = asyncio.Event()
        self.open.set()
        self.asked = asyncio.Event()
        self.publish(*keys)

    def publish(self, *keys: SigningKey) -> None:
        self.body = json.dumps({"keys": [key.jwk for key in keys]}).encode()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Issuer]:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                writer.close()
                return
            self.served += 1
            self.asked.set()
            await self.open.wait()
            head = f"HTTP/1.1 {self.status}\r\nContent-Length: {len(self.body)}\r\nConnection: close\r\n{self.headers}\r\n"
            writer.write(head.encode() + self.body)
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
        async with server:
            yield self


@pytest.fixture(scope="session")
def signing() -> SigningKey:
    return SigningKey("k1")


@pytest.fixture(scope="session")
def rotated() -> SigningKey:
    return SigningKey("k2")


@pytest.fixture(scope="session")
def elliptic() -> SigningKey:
    return SigningKey("e1", "ES256")


@pytest.fixture
async def issuer(signing: SigningKey) -> AsyncIterator[Issuer]:
    async with Issuer(signing).running() as running:
        yield running


@pytest.fixture
def clock() -> Callable[[], float]:
    class Clock:
        now = float(NOW)

        def __call__(self) -> float:
            return self.now

    return Clock()
