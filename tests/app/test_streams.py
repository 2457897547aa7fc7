"""Subscriptions to views over every transport: resumed where they were, also after a restart, and as patches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import jsonpatch
import pytest

import bff
from bff import DomainModel, Ref, Settings, Store, ViewModel, field, reference
from bff.testing.graphql_sse import GraphQLSSEClient
from bff.testing.harness import AppHarness
from tests.transports import TRANSPORTS, Next, subscribed

pytestmark = pytest.mark.anyio


class Shelf(DomainModel, collection="shelves"):
    label: str


class Book(DomainModel, collection="books"):
    title: str
    shelf: Ref[Shelf]


class ShelfStore(Store):
    shelf = reference(Shelf)
    books = reference(Book, where=lambda s: Book.shelf == s.shelf.ref, many=True)


class ShelfView(ViewModel):
    store: ShelfStore

    @field
    def label(self) -> str:
        return self.store.shelf.label

    @field
    def titles(self) -> list[str]:
        return sorted(book.title for book in self.store.books)


APP = bff.App(views=[ShelfView])
QUERY = 'subscription { shelfView(id: "s") { label titles } }'


@pytest.fixture
async def running(datastore_url: str) -> AsyncIterator[AppHarness]:
    async with AppHarness(APP, settings=Settings(datastore_url=datastore_url)) as harness:
        await Shelf(id="s", label="first").save()
        for number in range(30):
            await Book(id=f"b{number}", title=f"On the number {number:02}", shelf=Shelf.ref("s")).save()
        await harness.settled()
        yield harness


async def relabel(running: AppHarness, label: str) -> None:
    shelf = await Shelf.get("s")
    assert shelf is not None
    shelf.label = label
    await shelf.save()
    await running.settled()


def version(result: dict[str, Any]) -> str:
    told: str = result["extensions"]["bff"]["version"]
    return told


async def until(result: Next, label: str) -> dict[str, Any]:
    """The first result that shows a label; those that the hub gives before it may be skipped."""
    while True:
        given = await result()
        if given["data"]["shelfView"]["label"] == label:
            return given


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_who_comes_back_is_sent_only_what_is_newer(running: AppHarness, transport: str) -> None:
    async with subscribed(transport, APP, QUERY, {}) as result:
        seen = version(await until(result, "first"))
    async with subscribed(transport, APP, QUERY, {"since": seen}) as result:
        # Nothing has changed: what comes first is what changes from now on.
        await relabel(running, "second")
        newer = await result()
        assert newer["data"]["shelfView"]["label"] == "second"
    await relabel(running, "third")
    async with subscribed(transport, APP, QUERY, {"since": version(newer)}) as result:
        assert (await result())["data"]["shelfView"]["label"] == "third"
    async with subscribed(transport, APP, QUERY, {"since": seen}) as result:
        assert (await result())["data"]["shelfView"]["label"] == "third", "nothing expires: the state is the log"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_also_after_a_restart(datastore_url: str, transport: str) -> None:
    settings = Settings(datastore_url=datastore_url)
    async with AppHarness(APP, settings=settings) as running:
        await Shelf(id="s", label="first").save()
        await running.settled()
        async with subscribed(transport, APP, QUERY, {}) as result:
            seen = version(await until(result, "first"))
    async with AppHarness(APP, settings=settings) as running, subscribed(transport, APP, QUERY, {"since": seen}) as result:
        await relabel(running, "second")
        assert (await result())["data"]["shelfView"]["label"] == "second"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_patches_lead_to_what_a_query_answers(running: AppHarness, transport: str) -> None:
    async with subscribed(transport, APP, QUERY, {"patch": True}) as result:
        first = await until(result, "first")
        data, held = first["data"], version(first)
        for label in ("second", "third", "fourth"):
            await relabel(running, label)
            while data["shelfView"]["label"] != label:
                given = await result()
                told = given["extensions"]["bff"]
                assert ("data" in given, told["from"]) == (False, held)
                data, held = jsonpatch.apply_patch(data, told["patch"]), told["version"]
    answer = await running.execute('{ shelfView(id: "s") { label titles } }')
    assert data == answer["data"]
    for label in ("fifth", "sixth", "seventh"):
        async with subscribed(transport, APP, QUERY, {"patch": True, "since": held}) as result:
            await relabel(running, label)
            told = (await result())["extensions"]["bff"]
        if "from" in told:
            break
        held = told["version"]  # it had changed before the server came to look: that is sent whole
    assert (told["from"], told["patch"]) == (held, [{"op": "replace", "path": "/shelfView/label", "value": label}])


async def test_an_event_stream_is_resumed_by_the_header_that_browsers_send(running: AppHarness) -> None:
    async with GraphQLSSEClient.to_app(APP) as client:
        async with client.stream(QUERY) as stream:
            assert (await stream.next())["data"]["shelfView"]["label"] == "first"
        async with client.stream(QUERY, last_event_id=stream.last_event_id) as stream:
            await relabel(running, "second")
            assert (await stream.next())["data"]["shelfView"]["label"] == "second"
