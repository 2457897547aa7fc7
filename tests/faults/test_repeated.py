"""Mutations that are sent again under their key, to several processes and across ``kill -9``; reads that wait for a projector
in another process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from bff.datastore.connect import open_datastore
from tests.faults.killing import KILL
from tests.faults.script import SEED, seed
from tests.serve import serve

pytestmark = pytest.mark.anyio

SHOP = "tests.faults.killed_app:app"


def place(order: str) -> str:
    return f'placeOrder(customerId: "c1", productId: "p1", orderId: "{order}", quantity: 2) {{ spent version }}'


PLACE = f"mutation {{ {place('o1')} }}"
PLACE_BOTH = f"mutation {{ one: {place('o1')} other: {place('o2')} }}"
STEP = "commit _bff_idempotency customers orders products"
ANSWER = "commit _bff_idempotency"
PRODUCT = '{ productPage(id: "p1") { stock sold } }'


async def ask(url: str, query: str, key: str | None = None, **extensions: Any) -> dict[str, Any]:
    headers = {} if key is None else {"Idempotency-Key": f'"{key}"'}
    body: dict[str, Any] = {"query": query, "extensions": {"bff": extensions}}
    async with httpx.AsyncClient(timeout=60) as http:
        answer: dict[str, Any] = (await http.post(f"{url}/graphql", json=body, headers=headers)).json()
    return answer


async def stored(url: str, *paths: str) -> list[Mapping[str, Any] | None]:
    async with open_datastore(url) as datastore, datastore.snapshot() as snapshot:
        return [document.data for document in await snapshot.get(paths)]


async def check_placed(url: str, orders: int) -> None:
    """Each order took two of the goods, and their money, once."""
    product, customer = await stored(url, "products/p1", "customers/c1")
    assert product is not None
    assert customer is not None
    before = SEED["products/p1"]
    assert product["stock"] == before["stock"] - 2 * orders
    assert customer["spent"] == SEED["customers/c1"]["spent"] + 2 * orders * before["price"]


@pytest.mark.parametrize("point", [f"before 1 {STEP}", f"after 1 {STEP}", f"before 1 {ANSWER}", f"after 1 {ANSWER}"])
async def test_killed_before_it_could_answer(datastore_url: str, point: str) -> None:
    await seed(datastore_url)
    with serve(datastore_url, SHOP, {KILL: point}) as server:
        with pytest.raises(httpx.TransportError):
            await ask(server.url, PLACE, "k")
        server.kill()
        server.environment.pop(KILL)
        server.start()
        answers = await asyncio.gather(*(ask(server.url, PLACE, "k") for _ in range(3)))
        assert answers[0] == answers[1] == answers[2]
        assert answers[0]["data"]["placeOrder"]["spent"] == 13
        bff = answers[0]["extensions"]["bff"]
        assert {"view": "ProductPage", "id": "p1"} in bff["affects"]
        later = await ask(server.url, PRODUCT, minAsOf=bff["committedAt"])
        assert later["data"]["productPage"] == {"stock": 8, "sold": 2}
    await check_placed(datastore_url, 1)


async def test_killed_between_two_mutations(datastore_url: str) -> None:
    await seed(datastore_url)
    with serve(datastore_url, SHOP, {KILL: f"after 1 {STEP}"}) as server:
        with pytest.raises(httpx.TransportError):
            await ask(server.url, PLACE_BOTH, "k")
        server.kill()
        server.environment.pop(KILL)
        server.start()
        answer = await ask(server.url, PLACE_BOTH, "k")
        assert answer["data"]["other"]["spent"] == 23
        assert await ask(server.url, PLACE_BOTH, "k") == answer
    await check_placed(datastore_url, 2)


async def test_ten_at_once_to_two_servers(datastore_url: str) -> None:
    await seed(datastore_url)
    with serve(datastore_url, SHOP) as one, serve(datastore_url, SHOP) as other:
        answers = await asyncio.gather(*(ask((one, other)[number % 2].url, PLACE_BOTH, "k") for number in range(10)))
        assert all(answer == answers[0] for answer in answers)
        assert "errors" not in answers[0], answers[0]
        # Whoever reads elsewhere sees it, if it says what it has to see.
        seen = answers[0]["extensions"]["bff"]["committedAt"]
        for server in (one, other):
            assert (await ask(server.url, PRODUCT, minAsOf=seen))["data"]["productPage"] == {"stock": 6, "sold": 4}
    await check_placed(datastore_url, 2)


async def test_a_projector_in_another_process_is_waited_for_and_may_be_killed(datastore_url: str) -> None:
    await seed(datastore_url)
    with (
        serve(datastore_url, SHOP, {"BFF_ROLE": "projector"}) as projector,
        serve(datastore_url, SHOP, {"BFF_ROLE": "web", "BFF_STALE_SECONDS": "20"}) as web,
    ):
        for number in range(3):
            committed = (await ask(web.url, f"mutation {{ {place(f'o{number + 1}')} }}"))["extensions"]["bff"]["committedAt"]
            if number == 1:
                projector.kill()
                waiting = asyncio.create_task(ask(web.url, PRODUCT, minAsOf=committed, asOf=True))
                await asyncio.to_thread(projector.start)
                answer = await waiting
            else:
                answer = await ask(web.url, PRODUCT, minAsOf=committed, asOf=True)
            assert answer["data"]["productPage"] == {"stock": 8 - 2 * number, "sold": 2 * number + 2}, answer
            assert int(answer["extensions"]["bff"]["asOf"]) >= int(committed)
