"""An app that ``bff serve`` serves in several processes, and whose users may be revoked through any of them.

A token says who asks and when it was issued: ``ada@1700000000.5``. Whoever makes such tokens for real signs them.
"""

from __future__ import annotations

import time
from typing import Any

from ariadne import MutationType

from bff import App, DomainModel, Principal, Store, ViewModel, field, reference
from bff.auth.port import Credentials

__all__ = ["Gate", "app", "token"]

changing = MutationType()


def token(user: str, issued: float) -> str:
    return f"{user}@{issued}"


def who(credentials: Credentials) -> Principal | None:
    if credentials.token is None:
        return None
    user, _, issued = credentials.token.partition("@")
    return Principal(id=user, issued_at=float(issued), expires_at=time.time() + 3600)


class Gate(DomainModel, collection="gates"):
    name: str


class GateStore(Store):
    gate = reference(Gate)


class GateView(ViewModel):
    store: GateStore

    @field
    def name(self) -> str:
        return self.store.gate.name


@changing.field("revoke")
async def revoke(_: Any, info: Any, user: str) -> bool:
    await app.revoke(user=user)
    return True


app = App(
    views=[GateView],
    type_defs="extend type Mutation { revoke(user: String!): Boolean! }",
    bindables=[changing],
    auth=who,
)
