"""A mutation under an idempotency key takes effect once, and is answered as it was the first time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bff.datastore.port import Commit, Datastore, Expectation, Merge, Write
from bff.document import Document
from bff.errors import DatastoreUnavailable, OutcomeUnknown
from bff.projection.expiry import Expiry
from bff.projection.views_affected import ViewsAffected
from bff.query import Query
from bff.resolvers.idempotency_record import COLLECTION, Entry, IdempotencyRecord
from bff.settings import Settings
from bff.testing.graphql_ws import GraphQLWSClient
from bff.testing.harness import AppHarness
from tests.resolvers.cafe import Cake, app, ask, cafe, code, fill, told

pytestmark = pytest.mark.anyio

CUT = 'mutation { cakeCut(id: "apple") { slices version } }'
SLICES = '{ cakePage(id: "apple") { slices } }'
KEYED = {"idempotencyKey": "k1"}


@pytest.fixture
async def running(datastore_url: str) -> AsyncIterator[AppHarness]:
    async with AppHarness(app, settings=Settings(datastore_url=datastore_url), timeout=30) as harness:
        await fill()
        await harness.settled()
        yield harness


async def slices(key: str = "apple") -> int:
    cake = await Cake.get(key)
    assert cake is not None
    return cake.slices


async def records(datastore: Datastore) -> list[Document]:
    async with datastore.snapshot() as snapshot:
        return await snapshot.query(Query(COLLECTION))


async def lose_response(datastore: Datastore) -> None:
    """As after a crash between the commit and the answer."""
    await datastore.commit([Merge(document.path, {}, ("response",)) for document in await records(datastore)])


EVERY_KIND = [
    'mutation { cakeCut(id: "apple") { slices version } }',
    'mutation { cakeTake(id: "apple") { __typename ... on CakePage { slices } } }',
    'mutation { cakeWeigh(id: "apple", text: "été") { id committedAt result } }',
    'mutation { updateCakePage(id: "apple", input: {name: "Pear"}) { name version } }',
    'mutation { bring(tableId: "t2", cakeId: "apple", orderId: "o9") { eats } }',
    "mutation { tip(amount: 2) { committedAt result } }",
    'mutation { a: cakeCut(id: "apple") { slices } b: tip(amount: 1) { committedAt result } ...More }'
    ' fragment More on Mutation { c: updateCakePage(id: "apple", input: {name: "Fig"}) { name } }',
    'mutation { drop(id: "apple") }',
]


@pytest.mark.parametrize("document", EVERY_KIND)
async def test_what_comes_again_is_answered_as_it_was(running: AppHarness, document: str) -> None:
    first = await ask(running, document, **KEYED)
    told(first)
    after = await slices()
    await ask(running, 'mutation { cakeCut(id: "apple", pieces: 7) { slices } }')
    for _ in range(3):
        assert await ask(running, document, **KEYED) == first
    assert await slices() == after - 7


@pytest.mark.parametrize("document", EVERY_KIND[:-1])
async def test_ten_at_once_take_effect_once_and_are_answered_alike(running: AppHarness, document: str) -> None:
    await ask(running, 'mutation { cakeWeigh(id: "apple") { id } }')
    alone = await ask(running, document, idempotencyKey="alone")
    effect = 101 - await slices()
    before = await slices()
    # Done once more, it is to change something again.
    document = document.replace("o9", "o10").replace("Pear", "Plum").replace("Fig", "Date")
    answers = await asyncio.gather(*(ask(running, document, **KEYED) for _ in range(10)))
    assert all(answer == answers[0] for answer in answers)
    assert "errors" not in answers[0], answers[0]
    assert told(answers[0])["affects"] == told(alone)["affects"]
    assert before - await slices() == effect


async def test_of_different_requests_at_once_one_is_done(running: AppHarness) -> None:
    document = 'mutation Cut($n: Int!) { cakeCut(id: "apple", pieces: $n) { slices } }'
    answers = await asyncio.gather(*(ask(running, document, {"n": number}, **KEYED) for number in range(1, 9)))
    done = [number for number, answer in enumerate(answers, 1) if "errors" not in answer]
    assert len(done) == 1
    assert {code(answer) for answer in answers if "errors" in answer} == {"IDEMPOTENCY_KEY_REUSED"}
    assert await slices() == 100 - done[0]


async def test_another_body_is_refused(running: AppHarness) -> None:
    await ask(running, CUT, **KEYED)
    other = 'mutation { cakeCut(id: "apple", pieces: 2) { slices version } }'
    refused = await ask(running, other, **KEYED)
    assert code(refused) == "IDEMPOTENCY_KEY_REUSED"
    assert "data" not in refused
    accept = {"Accept": "application/graphql-response+json", "Idempotency-Key": "k1"}
    response = await running.http.post("/graphql", json={"query": other}, headers=accept)
    assert response.status_code == 422
    assert await slices() == 99


async def test_the_key_comes_in_a_header_or_in_the_extensions(running: AppHarness) -> None:
    key = "8e03978e-40d5-43e8-bc93-6894a57f9324"
    first = await ask(running, CUT, headers={"Idempotency-Key": f'"{key}"'})
    assert await ask(running, CUT, headers={"Idempotency-Key": key}) == first
    assert await ask(running, CUT, idempotencyKey=key) == first
    assert await ask(running, CUT, headers={"Idempotency-Key": key}, idempotencyKey=key) == first
    odd = await ask(running, CUT, headers={"Idempotency-Key": r'"a \"b\" \\ c"'})
    assert await ask(running, CUT, idempotencyKey=r'a "b" \ c') == odd
    assert await slices() == 98
    assert code(await ask(running, CUT, headers={"Idempotency-Key": key}, idempotencyKey="other")) == "BAD_USER_INPUT"
    for bad in (
        "",
        '"',
        '""',
        "a b",
        "a,b",
        '"a" "b"',
        "x" * 256,
        '"' + "x" * 256 + '"',
        '"a\\b"',
    ):
        assert code(await ask(running, CUT, headers={"Idempotency-Key": bad})) == "BAD_USER_INPUT", bad
    assert await slices() == 98


async def test_over_a_websocket(running: AppHarness) -> None:
    async with GraphQLWSClient.to_app(running.app, "/graphql", timeout=30) as client:
        await client.init()
        answers = []
        for _ in range(3):
            id = await client.subscribe(CUT, extensions={"bff": KEYED})
            answers.append(await client.next(id))
            await client.expect_complete(id)
    assert answers[0] == answers[1] == answers[2] == await ask(running, CUT, **KEYED)
    assert await slices() == 99


async def test_a_key_on_a_read_is_ignored(running: AppHarness) -> None:
    assert (await ask(running, SLICES, **KEYED))["data"]["cakePage"]["slices"] == 100
    assert (await ask(running, SLICES, headers={"Idempotency-Key": '"'}))["data"]["cakePage"]["slices"] == 100
    await ask(running, CUT, **KEYED)
    assert await slices() == 99


async def test_what_failed_may_be_tried_again(running: AppHarness) -> None:
    cake = await Cake.get("nut")
    assert cake is not None
    cake.slices = 0
    await cake.save()
    for document in ('mutation { cakeCut(id: "nut") { slices } }', 'mutation { cakeTake(id: "nut") { __typename } }'):
        cake.slices = 0
        await cake.save()
        refused = await ask(running, document, idempotencyKey=document)
        assert "SOLD_OUT" in str(refused) or "SoldOut" in str(refused)
        assert await records(running.runtime.datastore) == [
            one for one in await records(running.runtime.datastore) if "response" in (one.data or {})
        ]
        cake.slices = 5
        await cake.save()
        done = await ask(running, document, idempotencyKey=document)
        assert "SoldOut" not in str(done)
        assert await ask(running, document, idempotencyKey=document) == done
        assert await slices("nut") == 4
        cake = await Cake.get("nut")
        assert cake is not None


async def test_of_an_operation_that_failed_half_only_the_rest_is_done_again(running: AppHarness) -> None:
    document = 'mutation { a: cakeCut(id: "apple", pieces: 90) { slices } b: cakeCut(id: "nut", pieces: 200) { slices } }'
    assert code(await ask(running, document, **KEYED)) == "SOLD_OUT"
    assert await slices() == 10
    nut = await Cake.get("nut")
    assert nut is not None
    nut.slices = 300
    await nut.save()
    done = await ask(running, document, **KEYED)
    assert done["data"] == {"a": {"slices": 10}, "b": {"slices": 100}}
    assert await ask(running, document, **KEYED) == done
    assert (await slices(), await slices("nut")) == (10, 100)


@pytest.mark.parametrize("document", EVERY_KIND[:-1])
async def test_without_its_response_it_is_answered_from_what_was_committed(running: AppHarness, document: str) -> None:
    first = await ask(running, document, **KEYED)
    after = await slices()
    await lose_response(running.runtime.datastore)
    again = await ask(running, document, **KEYED)
    assert await slices() == after
    for answer in (first, again):
        # The record was written once more, by the test: which is what tells the time of a commit without its response.
        answer["extensions"]["bff"].pop("committedAt")
        for part in answer["data"].values():
            part.pop("committedAt", None)
    assert again == first


async def test_a_view_that_is_answered_later_is_as_it_is_then(running: AppHarness) -> None:
    await ask(running, CUT, **KEYED)
    await lose_response(running.runtime.datastore)
    await ask(running, 'mutation { cakeCut(id: "apple", pieces: 4) { slices } }')
    again = await ask(running, CUT, **KEYED)
    assert again["data"]["cakeCut"]["slices"] == 95
    # It is the first response that there is, and so everybody's.
    assert await ask(running, CUT, **KEYED) == again


async def test_a_response_that_is_too_large_is_made_again(running: AppHarness) -> None:
    document = """mutation Weigh($text: String!, $times: Int!) {
        cakeWeigh(id: "apple", text: $text, times: $times) { committedAt result }
    }"""
    text = "ß" * 1000
    body: dict[str, Any] = {"text": text, "times": 300}
    first = await ask(running, document, body, **KEYED)
    assert first["data"]["cakeWeigh"]["result"]["text"] == text * 300
    assert await ask(running, document, body, **KEYED) == first
    assert await slices() == 101
    # Not even what it is made from can be kept.
    body["times"] = 600
    first = await ask(running, document, body, idempotencyKey="k2")
    assert first["data"]["cakeWeigh"]["result"]["text"] == text * 600
    again = await ask(running, document, body, idempotencyKey="k2")
    assert code(again) == "NOT_FOUND"
    assert "too large" in again["errors"][0]["message"]
    assert await slices() == 102


async def test_a_record_is_forgotten_after_its_time(datastore_url: str) -> None:
    settings = Settings(datastore_url=datastore_url, idempotency_hours=0.000_05)  # 180 ms
    async with AppHarness(app, settings=settings, timeout=30) as running:
        await fill()
        datastore = running.runtime.datastore
        await ask(running, CUT, **KEYED)
        [record] = await records(datastore)
        expires = record.data["expiresAt"] if record.data else None
        assert isinstance(expires, datetime)
        await asyncio.sleep(max(0.0, (expires - datetime.now(UTC)).total_seconds() + 0.01))
        # Its time is over, whether it is still there or not: the key may be had anew, also by another operation.
        other = 'mutation { cakeCut(id: "apple", pieces: 2) { slices } }'
        assert (await ask(running, other, **KEYED))["data"]["cakeCut"]["slices"] == 97


async def test_what_is_over_its_time_is_swept_away(running: AppHarness) -> None:
    datastore = running.runtime.datastore
    assert running.runtime.expiry is not None
    for number in range(130):
        await ask(running, "mutation { tip(amount: 1) { committedAt } }", idempotencyKey=f"k{number}")
    old = datetime.now(UTC) - timedelta(hours=1)
    found = await records(datastore)
    await datastore.commit([Merge(one.path, {"expiresAt": old}) for one in found[:120]])
    async with Expiry(datastore, "_bff_nothing"):
        assert await running.runtime.expiry.once() == 120
    assert len(await records(datastore)) == 10
    assert await running.runtime.expiry.once() == 0


async def test_two_processes_of_one_datastore(datastore_url: str) -> None:
    settings = Settings(datastore_url=datastore_url)
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(AppHarness(cafe(), settings=settings, timeout=60)) for _ in range(2)]
        await fill()
        answers = await asyncio.gather(*(ask(processes[number % 2], CUT, **KEYED) for number in range(10)))
        assert all(answer == answers[0] for answer in answers)
        assert "errors" not in answers[0], answers[0]
        assert await slices() == 99


def test_a_record_comes_back_as_it_was_written() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    entry = Entry([None, {"a": [[1], [b"x", now]]}], ViewsAffected((("CakePage", "apple"),), more=True))
    record = IdempotencyRecord("f", now).with_entry("a", entry)
    document = Document(f"{COLLECTION}/x", record.to_data(), 17)
    [(name, read)] = IdempotencyRecord.from_document(document, now - timedelta(seconds=1)).entries.items()  # type: ignore[union-attr]
    assert (name, read) == ("a", Entry(entry.answer, entry.affected, 17))
    assert IdempotencyRecord.from_document(document, now) is None
    assert record.with_entry("b", Entry(2**70, ViewsAffected())).entries["b"].kept is False  # type: ignore[arg-type]


@pytest.mark.parametrize("made", [True, False])
async def test_where_the_answer_of_the_commit_is_lost_the_record_tells(
    running: AppHarness, monkeypatch: pytest.MonkeyPatch, made: bool
) -> None:
    losing = Losing(running.runtime.datastore, made=made)
    monkeypatch.setattr(running.runtime.datastore, "commit", losing.commit)
    answer = await ask(running, CUT, **KEYED)
    assert answer["data"]["cakeCut"]["slices"] == await slices() == 99
    assert losing.lost == 1
    assert await ask(running, CUT, **KEYED) == answer


@pytest.mark.parametrize("made", [True, False])
async def test_an_answer_that_is_lost_for_good_is_told_as_that(
    running: AppHarness, monkeypatch: pytest.MonkeyPatch, made: bool
) -> None:
    """What is found out afterwards about another attempt says nothing of the first."""
    losing = Losing(running.runtime.datastore, made=made, down=True)
    with monkeypatch.context() as patched:
        patched.setattr(running.runtime.datastore, "commit", losing.commit)
        patched.setattr(running.runtime.datastore, "snapshot", losing.snapshot)
        assert code(await ask(running, CUT, **KEYED)) == "OUTCOME_UNKNOWN"
    assert (await ask(running, CUT, **KEYED))["data"]["cakeCut"]["slices"] == await slices() == 99


class Losing:
    """Loses the answer of the first commit under a key, ``made`` or not; with ``down``, the datastore is gone from then on."""

    def __init__(self, datastore: Datastore, *, made: bool, down: bool = False) -> None:
        self._commit = datastore.commit
        self._snapshot = datastore.snapshot
        self._made = made
        self._down = down
        self.lost = 0

    async def commit(self, writes: Iterable[Write], expect: Iterable[Expectation] = ()) -> Commit:
        writes = list(writes)
        if self.lost or not any(write.path.startswith(COLLECTION) for write in writes):
            return await self._commit(writes, expect)
        self.lost += 1
        if self._made:
            await self._commit(writes, expect)
        raise OutcomeUnknown("the answer was lost")

    def snapshot(self) -> Any:
        if self.lost and self._down:
            raise DatastoreUnavailable("it is gone")
        return self._snapshot()
