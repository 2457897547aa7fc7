"""Who comes back with the version of what he saw is shown what is newer, and nothing where nothing is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.datastore.port import Delete
from bff.errors import BadUserInput
from bff.resolvers.shown_version import ShownVersion
from bff.testing.graphql_ws import GraphQLWSClient, OperationFailed
from bff.testing.harness import AppHarness
from tests.resolvers.offices import Desk, Member, Team
from tests.resolvers.test_followed import office, settled, write

pytestmark = pytest.mark.anyio

ALONE = 'subscription { teamView(id: "t") { version name } }'
NOBODYS = 'subscription { teamView(id: "nobodys") { name } }'
LINKED = 'subscription { teamView(id: "t") { version name lead { name desk { place } } } }'


class Resumed:
    """A subscription; its results come without ``data`` around them, with the version of each."""

    def __init__(self, client: GraphQLWSClient, id: str) -> None:
        self._client = client
        self._id = id

    async def next(self) -> tuple[Any, str]:
        result = await self._client.next(self._id)
        assert "errors" not in result, result
        return result["data"]["teamView"], result["extensions"]["bff"]["version"]


@asynccontextmanager
async def resumed(running: AppHarness, query: str, since: str | None = None) -> AsyncIterator[Resumed]:
    async with GraphQLWSClient.to_app(running.app, timeout=10) as client:
        await client.init()
        yield Resumed(client, await client.subscribe(query, extensions={"bff": {"since": since}}))


async def version_of(running: AppHarness, query: str) -> str:
    async with resumed(running, query) as first:
        return (await first.next())[1]


async def test_without_links_the_version_is_the_fields(datastore_url: str) -> None:
    async with office(datastore_url) as running:
        async with resumed(running, ALONE) as first:
            team, version = await first.next()
            assert version == team["version"]
        async with resumed(running, ALONE, version) as again:
            await write(running, Team(id="t", name="Tiger"))
            team, newer = await again.next()
            assert team["name"] == "Tiger", "the state that he holds is not sent"
            assert int(newer) > int(version)
        async with resumed(running, ALONE, version) as later:
            assert await later.next() == (team, newer)


async def test_nothing_that_is_older_is_shown() -> None:
    async with office() as running:
        future = str(int(await version_of(running, ALONE)) + 10**9)
        async with resumed(running, ALONE, future) as ahead, resumed(running, ALONE, "0") as behind:
            assert (await behind.next())[0]["name"] == "Team"
            await write(running, Team(id="t", name="Tiger"))
            assert (await behind.next())[0]["name"] == "Tiger"
            ahead._client.timeout = 0.05
            with pytest.raises(TimeoutError):
                await ahead.next()


async def test_with_links_the_version_is_of_all_that_is_shown(datastore_url: str) -> None:
    async with office(datastore_url) as running:
        version = await version_of(running, LINKED)
        assert await version_of(running, LINKED) == version
        assert version.partition("-")[0] == await version_of(running, ALONE)
        async with resumed(running, LINKED, version) as again:
            await write(running, Desk(id="d1", place="corner"))
            team, newer = await again.next()
            assert team["lead"]["desk"]["place"] == "corner"
            assert newer.partition("-")[0] == version.partition("-")[0]
            assert newer != version
        # A change while he was away.
        async with resumed(running, LINKED, version) as later:
            assert await later.next() == (team, newer)
        # The version of the view alone says nothing of its links.
        async with resumed(running, LINKED, team["version"]) as other:
            assert await other.next() == (team, newer)


async def test_what_is_gone_has_a_version_too(datastore_url: str) -> None:
    async with office(datastore_url) as running:
        before = await version_of(running, LINKED)
        await write(running, Delete("desks/d1"))
        await settled(running)
        without_desk = await version_of(running, LINKED)
        assert without_desk != before
        assert await version_of(running, LINKED) == without_desk
        await write(running, Delete("teams/t"))
        await settled(running)
        async with resumed(running, LINKED, without_desk) as away:
            team, gone = await away.next()
            assert team is None
        async with resumed(running, LINKED, gone) as again:
            await write(running, Team(id="t", name="Phoenix"))
            assert (await again.next())[0]["name"] == "Phoenix"


async def test_what_never_was_is_no_news(datastore_url: str) -> None:
    """Nothing is stored of it: each read finds it absent as of the time of the read."""
    async with office(datastore_url) as running:
        async with resumed(running, NOBODYS) as first:
            nothing, gone = await first.next()
            assert nothing is None
        async with resumed(running, NOBODYS, gone) as again:
            await write(running, Team(id="nobodys", name="Phoenix"))
            assert (await again.next())[0] == {"name": "Phoenix"}, "that it is absent is not sent again"
        await write(running, Team(id="t", name="Team", lead=Member.ref("nobody")))
        await settled(running)
        assert await version_of(running, LINKED) == await version_of(running, LINKED)


async def test_what_cannot_be_read_is_never_held() -> None:
    async with office() as running:
        await write(running, Member(id="ann", name="Ann", desk=Desk.ref("bad")), Desk(id="bad", place=""))
        await running.settled()
        source = 'subscription { teamView(id: "t") { lead { desk { risk } } } }'
        async with running.watch(source) as watch:
            result = await watch.next()
            assert [error["extensions"]["code"] for error in result["errors"]] == ["BUILD_FAILED"]
            assert "version" not in result.get("extensions", {}).get("bff", {})


@pytest.mark.parametrize("since", ["", "x", "-1", "1.5", "12-xyz", "12-", "9" * 30, "١٢"])
async def test_what_is_no_version_is_refused_at_once(since: str) -> None:
    async with office() as running, resumed(running, ALONE, since) as refused:
        with pytest.raises(OperationFailed) as failed:
            await refused.next()
        [error] = failed.value.errors
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert error["extensions"]["argumentPath"] == ["extensions", "bff", "since"]


PRESENT = st.builds(
    ShownVersion.of,
    st.integers(0, 10**16),
    st.dictionaries(st.tuples(st.text(max_size=5), st.text(max_size=5)), st.integers(0, 10**16), max_size=4),
)
GONE = st.builds(ShownVersion.gone, st.integers(0, 10**16))
VERSIONS = PRESENT | GONE


@given(VERSIONS)
def test_a_version_is_read_as_it_was_written(version: ShownVersion) -> None:
    assert ShownVersion.parse(str(version)) == version
    assert not version.is_news_to(version)


@given(st.lists(GONE, min_size=2, max_size=2))
def test_that_it_is_gone_is_news_once(versions: list[ShownVersion]) -> None:
    one, other = versions
    assert not one.is_news_to(other)


@given(st.tuples(PRESENT, VERSIONS).flatmap(st.permutations))
def test_one_of_two_versions_is_news_to_who_holds_the_other(versions: list[ShownVersion]) -> None:
    one, other = versions
    if ShownVersion.gone(0) in versions:
        # Since when there is nothing to see is not told: whatever somebody sees is news after it, and it is after that.
        assert one.is_news_to(other) == other.is_news_to(one) == ((one.links == "gone") != (other.links == "gone"))
    elif one.root != other.root:
        assert one.is_news_to(other) != other.is_news_to(one)
        assert one.is_news_to(other) == (one.root > other.root)
    else:
        assert one.is_news_to(other) == other.is_news_to(one) == (one != other)


def test_the_order_in_which_links_were_read_says_nothing() -> None:
    links = {("A", "1"): 5, ("B", "1"): 6}
    assert ShownVersion.of(1, links) == ShownVersion.of(1, dict(reversed(links.items())))
    assert ShownVersion.of(1, {("A", "1"): 5}) != ShownVersion.of(1, {("A1", ""): 5})
    with pytest.raises(BadUserInput):
        ShownVersion.parse("1-0")
