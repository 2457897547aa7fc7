"""The app that is measured, with its meetings for a tenant alone, and its users signed in by JSON Web Tokens.

``bff serve benchmarks.guarded:app``, or ``benchmarks.guarded:driven`` in the live scenarios. ``BENCH_KEY`` is a file with the key
that tokens are checked with.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Final

import bff
from benchmarks import domain
from benchmarks.live.app import DrivenApp
from bff import Credentials, JWTAuth, Readers, field

__all__ = ["KEY", "MeetingSession", "SignedIn", "app", "driven", "write_key_and_tokens"]

KEY: Final = "BENCH_KEY"
AUDIENCE: Final = "benchmark"
TENANT: Final = "north"
SECONDS: Final = 6 * 3600


class MeetingSession(domain.MeetingSession):
    """As everybody's, for the users of one tenant; one field is for some of these."""

    @field(readers=lambda self: Readers.groups("staff", tenant=TENANT))
    def seats(self) -> int | None:
        """Which makes it a view with a restricted field: whoever has not the group is shown a part of its states."""
        return 20

    def readers(self) -> Readers:
        return Readers.tenant(TENANT) | Readers.users("host")


def write_key_and_tokens(folder: Path, users: int) -> tuple[Path, Path]:
    """A public key, and a token a line for so many users, good for six hours: made once for a folder and a number of users."""
    import jwt
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key, tokens = folder / f"key-{users}.pem", folder / f"tokens-{users}.txt"
    if not tokens.exists():
        private = rsa.generate_private_key(65537, 2048)
        key.write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        now = int(time.time())
        lines = []
        for number in range(users):
            claims: dict[str, Any] = {"sub": f"u{number:05}", "tenant": TENANT, "aud": AUDIENCE, "iat": now, "exp": now + SECONDS}
            lines.append(jwt.encode(claims, private, "RS256"))
        tokens.write_text("".join(line + "\n" for line in lines))
    return key, tokens


class SignedIn:
    """Whom a token names. The key is read when somebody asks first: the benchmark's own process has none."""

    def __init__(self) -> None:
        self._auth: JWTAuth | None = None

    async def __call__(self, credentials: Credentials) -> bff.Principal | None:
        if self._auth is None:
            self._auth = tokens_of_key()
        return await self._auth(credentials)


def tokens_of_key() -> JWTAuth:
    return JWTAuth(keys=Path(os.environ[KEY]).read_text(), audience=AUDIENCE, issuer=None, tenant_claim="tenant")


app = bff.App(views=[MeetingSession], auth=SignedIn())
driven = DrivenApp(views=[MeetingSession], auth=SignedIn())
