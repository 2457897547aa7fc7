"""Teams and their players, in an app whose reads for requests are counted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import httpx

import bff
from bff import DomainModel, Ref, Settings, Store, ViewModel, field, mutation, reference
from bff.document import Document
from bff.testing.harness import AppHarness
from tests.app.watched_reads import WatchedReads

__all__ = [
    "DEEP",
    "NODE",
    "ONE",
    "QUERIES",
    "VIEWS",
    "Badge",
    "Counting",
    "Player",
    "PlayerCard",
    "Team",
    "TeamCard",
    "TeamStore",
    "asking",
    "get",
    "running",
]


class Team(DomainModel, collection="teams"):
    name: str


class Player(DomainModel, collection="players"):
    name: str
    team: Ref[Team] | None = None
    goals: int = 0

    @mutation
    def score(self) -> None:
        self.goals += 1


class TeamStore(Store):
    team = reference(Team)
    players = reference(Player, where=lambda s: Player.team == s.team.ref, many=True)


class PlayerStore(Store):
    player = reference(Player)


class TeamCard(ViewModel):
    store: TeamStore

    @field
    def name(self) -> str:
        return self.store.team.name

    @field
    def players(self) -> list[PlayerCard]:
        return [PlayerCard.of(player) for player in sorted(self.store.players, key=lambda player: player.id)]


class PlayerCard(ViewModel):
    store: PlayerStore

    @field(filterable=True, max_age=3600)
    def name(self) -> str:
        return self.store.player.name

    @field(filterable=True)
    def goals(self) -> int:
        return self.store.player.goals

    @field
    def team(self) -> TeamCard | None:
        return None if self.store.player.team is None else TeamCard.of(self.store.player.team)


class Badge(ViewModel, max_age=60):
    store: TeamStore

    @field
    def text(self) -> str:
        return self.store.team.name.upper()

    @field(max_age=5)
    def size(self) -> int:
        return len(self.store.players)


VIEWS = [TeamCard, PlayerCard, Badge]

ONE = '{ teamCard(id: "t0") { name players { name goals } } }'
DEEP = '{ playerCard(id: "p0") { name team { name players { id name team { name } } } } }'
LIST = "{ playerCards(filter: {goals: {gte: 1}}, orderBy: [{field: GOALS, direction: DESC}], first: 2) "
LIST += "{ edges { cursor node { name team { name } } } pageInfo { hasNextPage endCursor } totalCount } }"
NODE = '{ node(id: "PlayerCard:p1") { id ... on PlayerCard { name goals } __typename } }'
SEVERAL = "query ($id: ID!) { teamCard(id: $id) { version } badge(id: $id) { text size } playerCards { totalCount } }"
QUERIES: list[tuple[str, dict[str, Any]]] = [(ONE, {}), (DEEP, {}), (LIST, {}), (NODE, {}), (SEVERAL, {"id": "t1"})]


asking: ContextVar[bool] = ContextVar("asking", default=False)
"""Whether what is read now is read for a request that counts."""


class Counting(WatchedReads):
    """How many documents requests have read, with all their fields (``whole``) and with a few (``masked``)."""

    whole = 0
    masked = 0

    def read(self, documents: Sequence[Document], fields: Sequence[str] | None) -> None:
        if not asking.get():
            return  # the projector's own
        if fields is None:
            self.whole += len(documents)
        else:
            self.masked += len(documents)


async def fill() -> None:
    for number in range(2):
        await Team(id=f"t{number}", name=f"Team {number}").save()
    for number in range(4):
        await Player(id=f"p{number}", name=f"Player {number}", team=Team.ref(f"t{number % 2}"), goals=number).save()


@asynccontextmanager
async def running(url: str = "sqlite://", **options: Any) -> AsyncIterator[tuple[AppHarness, Counting]]:
    counting = Counting(url)
    own = {name: options.pop(name) for name in ("type_defs", "bindables", "views") if name in options}
    app = bff.App(**{"views": VIEWS, **own}, datastore=counting)
    async with AppHarness(app, settings=Settings(datastore_url=url, **options)) as harness:
        await fill()
        if harness.runtime.projector is not None:
            await harness.settled()
        yield harness, counting


async def get(harness: AppHarness, query: str, variables: dict[str, Any] | None = None, tag: str | None = None) -> httpx.Response:
    headers = {} if tag is None else {"if-none-match": tag}
    parameters = {"query": query, "variables": json.dumps(variables or {})}
    token = asking.set(True)
    try:
        return await harness.http.get("/graphql", params=parameters, headers=headers)
    finally:
        asking.reset(token)
