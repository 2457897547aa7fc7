"""What two tenants ask of one app, at random and at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import httpx
from hypothesis import strategies as st

from bff.settings import Settings
from bff.testing.asgi_streams import StreamingASGITransport
from bff.testing.graphql_multipart import ACCEPT, GraphQLMultipartClient
from bff.testing.graphql_sse import TOKEN, Ended, GraphQLSSEClient, Refused, SingleConnection
from bff.testing.graphql_ws import GraphQLWSClient, OperationFailed
from bff.testing.harness import AppHarness
from tests.security.city import BLOCKS, NOTES, SIGNS, TOKENS, city, marked, reset
from tests.security.tap import Tap

__all__ = ["Asked", "World", "rounds"]

_NOTE: Final = "__typename id version text rank tags forStaff"
_PAGE: Final = (
    f"totalCount pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} edges {{ cursor node {{ {_NOTE} }} }}"
)
_SIGN: Final = f"id title back note {{ {_NOTE} }}"

QUERIES: Final = {
    "note": f"query ($id: ID!) {{ noteView(id: $id) {{ {_NOTE} }} }}",
    "node": f"query ($id: ID!) {{ node(id: $id) {{ id ... on NoteView {{ {_NOTE} }} ... on SignView {{ {_SIGN} }} }} }}",
    "sign": f"query ($sign: ID!) {{ signView(id: $sign) {{ {_SIGN} }} }}",
    "signs": f"{{ signViews {{ totalCount edges {{ cursor node {{ {_SIGN} }} }} }} }}",
    "block": f"query ($block: ID!) {{ blockView(id: $block) {{ number notes {{ {_NOTE} }} }} }}",
    "blocks": f"{{ blockViews {{ edges {{ node {{ id notes {{ {_NOTE} }} }} }} }} }}",
    "notes": f"{{ noteViews {{ {_PAGE} }} }}",
    "page": f"""query ($first: Int, $after: String, $direction: OrderDirection!) {{
        noteViews(first: $first, after: $after, orderBy: [{{field: TEXT, direction: $direction}}]) {{ {_PAGE} }} }}""",
    "back": f"""query ($first: Int, $after: String) {{
        noteViews(last: $first, before: $after, orderBy: [{{field: RANK}}]) {{ {_PAGE} }} }}""",
    "ranks": f"query ($rank: Int!) {{ noteViews(filter: {{rank: {{gte: $rank}}}}) {{ {_PAGE} }} }}",
    "not": f"""query ($text: String!, $rank: Int!) {{
        noteViews(filter: {{or: [{{not: {{text: {{eq: $text}}}}}}, {{rank: {{ne: $rank}}}}]}}) {{ {_PAGE} }} }}""",
    "tags": f"query ($text: String!) {{ noteViews(filter: {{tags: {{contains: $text}}}}) {{ {_PAGE} }} }}",
    "several": f"query ($id: ID!, $sign: ID!) {{ a: noteView(id: $id) {{ {_NOTE} }} b: signView(id: $sign) {{ {_SIGN} }} }}",
    "wrong": "query ($id: ID!) { noteView(id: $id) { text nothing } }",
    "executed": f"query ($id: ID!) {{ __schema {{ queryType {{ name }} }} noteView(id: $id) {{ {_NOTE} }} }}",
}
MUTATIONS: Final = {
    "write": f"""mutation ($id: ID!, $text: String!, $rank: Int!) {{ noteWrite(id: $id, text: $text, rank: $rank) {{
        ... on NoteView {{ {_NOTE} }} ... on NoteIsFull {{ message note {{ {_NOTE} }} }} }} }}""",
    "overwrite": f"mutation ($id: ID!) {{ noteOverwrite(id: $id) {{ {_NOTE} }} }}",
    "take": f"mutation ($id: ID!) {{ noteTake(id: $id) {{ {_NOTE} }} }}",
    "give": f"mutation ($id: ID!) {{ noteGive(id: $id) {{ {_NOTE} }} }}",
    "lock": f"mutation ($id: ID!, $lock: Boolean!) {{ noteLock(id: $id, staffOnly: $lock) {{ {_NOTE} }} }}",
    "turn": f"mutation ($sign: ID!) {{ signTurn(id: $sign) {{ {_SIGN} }} }}",
    "swap": f"mutation ($id: ID!, $another: ID!) {{ swap(oneId: $id, anotherId: $another) {{ {_NOTE} }} }}",
    "set": f"mutation ($id: ID!, $text: String!) {{ updateNoteView(id: $id, input: {{text: $text}}) {{ {_NOTE} }} }}",
}
_EVENT: Final = f"kind id node {{ {_NOTE} }} page {{ {_PAGE} }}"
SUBSCRIPTIONS: Final = {
    "watch note": f"subscription ($id: ID!) {{ noteView(id: $id) {{ {_NOTE} }} }}",
    "watch sign": f"subscription ($sign: ID!) {{ signView(id: $sign) {{ {_SIGN} }} }}",
    "watch block": f"subscription ($block: ID!) {{ blockView(id: $block) {{ number notes {{ {_NOTE} }} }} }}",
    "watch notes": f"subscription {{ noteViews {{ {_EVENT} }} }}",
    "watch page": f"subscription {{ noteViews(first: 2, orderBy: [{{field: TEXT}}]) {{ {_EVENT} }} }}",
    "watch ranks": f"subscription ($rank: Int!) {{ noteViews(filter: {{rank: {{gte: $rank}}}}) {{ {_EVENT} }} }}",
}
_OPEN: Final = {"blocks", "block", "wrong"}
"""Queries of which an answer may hold for both tenants."""
_PUBLIC_WAYS: Final = ("post", "get", "revalidate", "hash", "batch", "socket", "single")
_EVERYBODY: Final = (None, *TOKENS["east"], *TOKENS["west"])
_SOON: Final = 10.0


@dataclass(frozen=True)
class Asked:
    """Somebody asks for something in some way. ``one`` and ``two`` choose among what there is to be named."""

    token: str | None
    way: str
    name: str
    one: int
    two: int


def _asked() -> st.SearchStrategy[Asked]:
    who, choice = st.sampled_from(_EVERYBODY), st.integers(0, 7)
    return st.one_of(
        st.builds(Asked, who, st.sampled_from(_PUBLIC_WAYS), st.sampled_from([*QUERIES]), choice, choice),
        st.builds(
            Asked,
            who,
            st.sampled_from(["post", "keyed", "keyed", "socket", "single"]),
            st.sampled_from([*MUTATIONS]),
            choice,
            choice,
        ),
        st.builds(
            Asked,
            who,
            st.sampled_from(["socket", "single", "stream", "parts"]),
            st.sampled_from([*SUBSCRIPTIONS]),
            choice,
            choice,
        ),
        st.builds(Asked, who, st.just("foreign"), st.sampled_from(["note", "watch notes", "give"]), choice, choice),
    )


def rounds() -> st.SearchStrategy[list[list[Asked]]]:
    """What is asked one after the other, and within that, at the same time."""
    return st.lists(st.lists(_asked(), min_size=2, max_size=8), min_size=2, max_size=8)


@dataclass
class _Client:
    """One user, with a socket and an event stream that stay open."""

    token: str | None
    http: httpx.AsyncClient
    socket: GraphQLWSClient
    single: SingleConnection
    streams: GraphQLSSEClient
    parts: GraphQLMultipartClient
    tags: set[str] = field(default_factory=set)
    watched: list[str] = field(default_factory=list)


class World:
    """One app with all its clients, which stay for many examples: what is kept of one is there in the next."""

    def __init__(self, run: AppHarness, tap: Tap) -> None:
        self.run = run
        self.tap = tap
        self.done = 0
        self._clients: dict[str | None, _Client] = {}
        self._tags: list[str] = ['W/"0"']
        self._cursors: list[str | None] = [None]
        self._sinces: list[str | None] = [None]
        self._ids = 0

    @classmethod
    @asynccontextmanager
    async def running(cls, datastore_url: str = "sqlite://", broadcast_url: str = "memory://") -> AsyncIterator[World]:
        settings = Settings(datastore_url=datastore_url, broadcast_url=broadcast_url, batch_operations=10)
        async with AppHarness(city(), settings=settings) as run, AsyncExitStack() as stack:
            tap = Tap(run.app)
            world = cls(run, tap)
            for token in _EVERYBODY:
                headers = {} if token is None else {"Authorization": f"Bearer {token}"}
                http = httpx.AsyncClient(transport=StreamingASGITransport(tap), base_url="http://app.test", headers=headers)
                socket = GraphQLWSClient.to_app(tap, headers=headers, timeout=_SOON)
                streams, parts = (kind.to_app(tap, headers=headers) for kind in (GraphQLSSEClient, GraphQLMultipartClient))
                for each in (http, socket, streams, parts):
                    await stack.enter_async_context(each)
                await socket.init()
                single = await stack.enter_async_context(streams.single_connection())
                world._clients[token] = _Client(token, http, socket, single, streams, parts)
            yield world

    async def play(self, asked: Sequence[Sequence[Asked]]) -> None:
        """Ask it all, from the same beginning."""
        await reset()
        await self.run.settled()
        for together in asked:
            async with asyncio.timeout(_SOON * 3):
                await asyncio.gather(*(self._ask(one) for one in together))
            assert not self.tap.leaks, self.tap.leaks[:3]
            assert not self.tap.faults, self.tap.faults[:3]
        await self.run.settled()
        for client in self._clients.values():
            for id in client.watched:
                await client.socket.complete(id)
            client.watched.clear()
            await client.socket.ping()  # what was on the way has come
        assert not self.tap.leaks, self.tap.leaks[:3]

    async def _ask(self, asked: Asked) -> None:
        self.done += 1
        ways: dict[str, Callable[..., Any]] = {
            "post": self._post,
            "get": self._get,
            "revalidate": self._get,
            "hash": self._hash,
            "batch": self._batch,
            "keyed": self._keyed,
            "socket": self._socket,
            "single": self._single,
            "stream": self._stream,
            "parts": self._parts,
            "foreign": self._foreign,
        }
        text = (QUERIES | MUTATIONS | SUBSCRIPTIONS)[asked.name]
        await ways[asked.way](self._clients[asked.token], asked, text, self._variables(asked))

    def _variables(self, asked: Asked) -> dict[str, Any]:
        tenant = "nobody" if asked.token is None else asked.token.partition("-")[0]
        mine = "nobody's" if tenant == "nobody" else marked(tenant)
        ids = (*NOTES, mine, f"NoteView:{NOTES[asked.two % 4]}", f"SignView:{SIGNS[asked.two % 2]}", NOTES[0])
        return {
            "id": ids[asked.one],
            "another": ids[asked.two],
            "sign": SIGNS[asked.two % 2],
            "block": BLOCKS[asked.two % 2],
            "text": mine + " 1" * (asked.two % 2),
            "rank": (0, 2, 3, 95)[asked.two % 4],
            "lock": asked.two % 2 == 0,
            "first": 1 + asked.one % 3,
            "after": self._cursors[asked.two % len(self._cursors)],
            "direction": ("ASC", "DESC")[asked.one % 2],
        }

    async def _post(self, client: _Client, asked: Asked, text: str, variables: dict[str, Any]) -> None:
        encoding = ("identity", "gzip", "br")[asked.two % 3]
        extensions = {"bff": {"asOf": True}} if asked.one % 4 == 3 else {}
        body = {"query": text, "variables": variables, "extensions": extensions}
        self._note(await client.http.post("/graphql", json=body, headers={"Accept-Encoding": encoding}))

    async def _get(self, client: _Client, asked: Asked, text: str, variables: dict[str, Any]) -> None:
        headers, tag = {}, self._tags[asked.two % len(self._tags)]
        if asked.way == "revalidate":
            headers = {"If-None-Match": tag}
        kept = {name: variables[name] for name in variables if f"${name}" in text}
        response = await client.http.get("/graphql", params={"query": text, "variables": _json(kept)}, headers=headers)
        if response.status_code == 304 and asked.name not in _OPEN:
            assert tag in client.tags, f"{asked}: the ETag of somebody else was good"
        given = response.headers.get("etag")
        if given is not None:
            client.tags.add(given)
            self._tags = [*self._tags[-7:], given]
        self._note(response)

    async def _hash(self, client: _Client, asked: Asked, text: str, variables: dict[str, Any]) -> None:
        """By the hash alone, whoever has registered it."""
        named = {"persistedQuery": {"version": 1, "sha256Hash": sha256(text.encode()).hexdigest()}}
        response = await client.http.post("/graphql", json={"extensions": named, "variables": variables})
        if "PERSISTED_QUERY_NOT_FOUND" in response.text:
            response = await client.http.post("/graphql", json={"query": text, "extensions": named, "variables": variables})
        self._note(response)

    async def _batch(self, client: _Client, asked: Asked, text: str, variables: dict[str, Any]) -> None:
        both = [{"query": each, "variables": variables} for each in (text, MUTATIONS["overwrite"], QUERIES["notes"])]
        await client.http.post("/graphql", json=both)

    async def _keyed(self, client: _Client, asked: Asked, text: str, variables: dict[str, Any]) -> None:
        """The same keys for everybody. The variables are of this round of keys alone, so that many are replays."""
        headers = {"Idempotency-Key": f'"k{asked.one % 4}-{asked.name}-{self.done // 500}"'}
        kept = {name: variables[name] for name in variables if f"${name}" in text} | {"id": NOTES[asked.one % 4]}
        kept |= {"text": "said by all", "rank": 1} if "text" in kept else {}
        kept = {name: value for name, value in kept.items() if f"${name}" in text}
        await client.http.post("/graphql", json={"query": text, "variables": kept}, headers=headers)

    async def _socket(self, client: _Client, asked: Asked, text: str, variables: dict[str, Any]) -> None:
        watching = asked.name in SUBSCRIPTIONS
        if watching and len(client.watched) >= 20:
            await client.socket.complete(client.watched.pop(0))
        resuming = self._resuming(asked) if watching else {}
        id = await client.socket.subscribe(text, variables, extensions=resuming)
        if "since" in resuming.get("bff", {}):
            client.watched.append(id)  # there may be nothing newer
            return
        try:
            result = await client.socket.next(id)
        except OperationFailed:
            return
        since = result.get("extensions", {}).get("bff", {}).get("version")
        if since is not None:
            self._sinces = [*self._sinces[-7:], since]
        if watching:
            client.watched.append(id)

    def _resuming(self, asked: Asked) -> dict[str, Any]:
        """From where somebody has come to, whoever that was."""
        since = self._sinces[asked.one % len(self._sinces)]
        return {"bff": {"patch": asked.two % 2 == 0, **({} if since is None else {"since": since})}}

    async def _single(self, client: _Client, asked: Asked, text: str, variables: dict[str, Any]) -> None:
        self._ids += 1
        id = f"o{self._ids}"
        with suppress(Refused, Ended):
            await client.single.subscribe(text, variables, id=id)
            await client.single.next(id)
            await client.single.stop(id)

    async def _stream(self, client: _Client, asked: Asked, text: str, variables: dict[str, Any]) -> None:
        with suppress(Refused, Ended):
            async with client.streams.stream(text, variables) as stream:
                await stream.next()

    async def _parts(self, client: _Client, asked: Asked, text: str, variables: dict[str, Any]) -> None:
        with suppress(Refused, Ended):
            async with client.parts.stream(text, variables, accept=ACCEPT) as parts:
                await parts.next()

    async def _foreign(self, client: _Client, asked: Asked, text: str, variables: dict[str, Any]) -> None:
        """With the stream of somebody else, whose token got about."""
        owner = self._clients[_EVERYBODY[asked.one % len(_EVERYBODY)]]
        if owner is client:
            return
        headers = {TOKEN: owner.single.token}
        body = {"query": text, "variables": variables, "extensions": {"operationId": "foreign"}}
        for response in (
            await client.http.post("/graphql", json=body, headers=headers),
            await client.http.get("/graphql", headers={**headers, "Accept": "text/event-stream"}),
            await client.http.delete("/graphql", params={"operationId": "o1"}, headers=headers),
        ):
            assert response.status_code == 404, (asked, response.status_code, response.text)

    def _note(self, response: httpx.Response) -> None:
        """Cursors, for whoever asks next."""
        try:
            page = response.json()["data"]["noteViews"]
        except (ValueError, KeyError, TypeError):
            return
        self._cursors = [*self._cursors[-6:], *(edge["cursor"] for edge in page["edges"][:2])]


def _json(value: Any) -> str:
    return str(httpx.Request("POST", "http://x", json=value).content, "utf-8")
