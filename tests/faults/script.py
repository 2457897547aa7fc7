"""A series of mutations, the journal of what was acknowledged and seen, and what the documents must be afterwards."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Protocol

from bff.datastore.connect import open_datastore
from bff.datastore.port import Set
from bff.testing.graphql_ws import Closed
from bff.types import Value

__all__ = ["SEED", "Client", "Journal", "States", "Step", "outcomes", "play", "seed"]

Documents = dict[str, dict[str, Any]]

SEED: Documents = {
    "products/p1": {"name": "Tea", "price": 5, "stock": 10},
    "products/p2": {"name": "Cup", "price": 3, "stock": 10},
    "customers/c1": {"name": "Ann", "spent": 3},
    "customers/c2": {"name": "Bob", "spent": 0},
    "orders/o0": {"customer": "customers/c1", "product": "products/p2", "quantity": 1, "price": 3, "status": "PLACED"},
}
TYPES = {"products": "Product", "customers": "Customer", "orders": "Order"}


async def seed(url: str) -> None:
    """Write the documents that are there before the server first runs."""
    writes = []
    for path, data in SEED.items():
        values: dict[str, Value] = {**data, "objType": TYPES[path.partition("/")[0]]}
        writes.append(Set(path, values))
    async with open_datastore(url) as datastore:
        await datastore.commit(writes)


@dataclass(frozen=True)
class Step:
    """A mutation, and what it does to the documents, said once more without bff."""

    name: str
    mutation: str
    effect: Callable[[Documents], None] = field(compare=False)


@dataclass(frozen=True)
class Wait:
    """Until a subscriber has seen this of a view."""

    view: str
    key: str
    seen: Callable[[Mapping[str, Any] | None], bool]


def _place(order: str, customer: str, product: str, quantity: int) -> Step:
    def effect(documents: Documents) -> None:
        price = documents[f"products/{product}"]["price"]
        documents[f"products/{product}"]["stock"] -= quantity
        documents[f"customers/{customer}"]["spent"] += quantity * price
        documents[f"orders/{order}"] = {
            "customer": f"customers/{customer}",
            "product": f"products/{product}",
            "quantity": quantity,
            "price": price,
            "status": "PLACED",
        }

    arguments = f'customerId: "{customer}", productId: "{product}", orderId: "{order}", quantity: {quantity}'
    return Step(f"place {order}", f"mutation {{ placeOrder({arguments}) {{ id version }} }}", effect)


def _cancel(order: str) -> Step:
    def effect(documents: Documents) -> None:
        cancelled = documents[f"orders/{order}"]
        cancelled["status"] = "CANCELLED"
        documents[cancelled["product"]]["stock"] += cancelled["quantity"]
        documents[cancelled["customer"]]["spent"] -= cancelled["quantity"] * cancelled["price"]

    return Step(f"cancel {order}", f'mutation {{ orderCancel(id: "{order}") {{ id committedAt }} }}', effect)


def _open(customer: str, name: str) -> Step:
    def effect(documents: Documents) -> None:
        documents[f"customers/{customer}"] = {"name": name, "spent": 0}

    return Step(f"open {customer}", f'mutation {{ openAccount(id: "{customer}", name: "{name}") {{ id welcome }} }}', effect)


def _close(customer: str) -> Step:
    def effect(documents: Documents) -> None:
        del documents[f"customers/{customer}"]

    return Step(f"close {customer}", f'mutation {{ customerCloseAccount(id: "{customer}") {{ id }} }}', effect)


def _set(view: str, key: str, path: str, name: str, value: str | int) -> Step:
    def effect(documents: Documents) -> None:
        documents[path][name] = value

    text = json.dumps(value)
    return Step(f"set {path}.{name}", f'mutation {{ update{view}(id: "{key}", input: {{{name}: {text}}}) {{ id }} }}', effect)


SCRIPT: list[list[Step] | Wait] = [
    [_place("o1", "c1", "p1", 2), _place("o2", "c2", "p1", 1)],
    [_cancel("o1"), _set("ProductPage", "p1", "products/p1", "price", 7)],
    [_open("c3", "Cleo")],
    [_place("o3", "c3", "p2", 1), _set("CustomerPage", "c1", "customers/c1", "name", "Anna")],
    Wait("customerPage", "c2", lambda page: page is not None and page["entries"] == 1 and page["welcome"] is not None),
    [_close("c2")],
    [_place("o4", "c1", "p2", 3)],
    Wait("customerPage", "c1", lambda page: page is not None and (page["entries"], page["receipts"]) == (3, 3)),
    Wait("customerPage", "c2", lambda page: page is None),
    Wait("productPage", "p2", lambda page: page is not None and (page["sold"], page["buyers"]) == (5, ["Anna", "Cleo"])),
]

CUSTOMER = (
    "subscription ($key: ID!) { customerPage(id: $key) { id version name spent entries receipts welcome products { id } } }"
)
PRODUCT = "subscription ($key: ID!) { productPage(id: $key) { id version name price stock sold buyers } }"
WATCHED = {
    ("productPage", "p1"): PRODUCT,
    ("productPage", "p2"): PRODUCT,
    ("customerPage", "c1"): CUSTOMER,
    ("customerPage", "c2"): CUSTOMER,
    ("customerPage", "c3"): CUSTOMER,
}


class Journal:
    """What was asked, acknowledged and seen, one JSON line each; it survives whatever kills the process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, **what: Any) -> None:
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(file, f"{json.dumps(what)}\n".encode())
        finally:
            os.close(file)

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def named(self, what: str) -> list[str]:
        """The steps that were ``begun`` or ``acknowledged``."""
        return [line["step"] for line in self.read() if line["what"] == what]


class States(Protocol):
    async def next(self) -> dict[str, Any]: ...


class Client(Protocol):
    """An AppHarness, or a server over the network."""

    async def execute(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]: ...

    def watch(self, query: str, variables: Mapping[str, Any] | None = None) -> AbstractAsyncContextManager[States]: ...


class _Watching:
    """Somebody who looks at everything all the time."""

    def __init__(self, client: Client, journal: Journal) -> None:
        self._client = client
        self._journal = journal
        self._seen: dict[tuple[str, str], Mapping[str, Any] | None] = {}
        self._news = asyncio.Condition()
        self._lost: Exception | None = None

    async def watch(self, view: str, key: str, query: str) -> None:
        try:
            async with self._client.watch(query, {"key": key}) as states:
                while True:
                    try:
                        state = await states.next()
                    except TimeoutError:
                        continue
                    page = state["data"][view]
                    self._journal.note(what="saw", view=view, key=key, page=page)
                    async with self._news:
                        self._seen[view, key] = page
                        self._news.notify_all()
        except (Closed, OSError) as gone:
            async with self._news:
                self._lost = gone
                self._news.notify_all()

    async def until(self, wait: Wait) -> None:
        place = (wait.view, wait.key)
        await self._until(lambda: place in self._seen and wait.seen(self._seen[place]), str(place))

    async def all_seen(self) -> None:
        await self._until(lambda: len(self._seen) == len(WATCHED), "something of every view")

    async def _until(self, seen: Callable[[], bool], what: str) -> None:
        """Raises ConnectionError where nothing more will come, TimeoutError."""
        try:
            async with asyncio.timeout(30), self._news:
                await self._news.wait_for(lambda: seen() or self._lost is not None)
        except TimeoutError:
            raise TimeoutError(f"awaited {what}, saw {self._seen}") from None
        if not seen():
            raise ConnectionError(f"awaited {what}, and the server went away") from self._lost


async def play(client: Client, journal: Journal, script: Iterable[list[Step] | Wait] = tuple(SCRIPT)) -> None:
    """Do the steps while somebody watches every view. Steps of one list run at the same time."""

    async def perform(step: Step) -> None:
        journal.note(what="begun", step=step.name)
        answer = await client.execute(step.mutation)
        if "errors" in answer:
            raise AssertionError(f"{step.name}: {answer['errors']}")
        journal.note(what="acknowledged", step=step.name)

    watching = _Watching(client, journal)
    tasks = [asyncio.create_task(watching.watch(view, key, query)) for (view, key), query in WATCHED.items()]
    try:
        await watching.all_seen()
        for part in script:
            if isinstance(part, Wait):
                await watching.until(part)
            else:
                for outcome in await asyncio.gather(*map(perform, part), return_exceptions=True):
                    if outcome is not None:
                        raise outcome
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def outcomes(journal: Journal) -> list[Documents]:
    """What the documents may be: with all that was acknowledged, and with any of what was begun and not acknowledged."""
    steps = {step.name: step for part in SCRIPT if isinstance(part, list) for step in part}
    acknowledged = journal.named("acknowledged")
    open_ones = [name for name in journal.named("begun") if name not in acknowledged]
    found = []
    for count in range(len(open_ones) + 1):
        for some in combinations(open_ones, count):
            documents = deepcopy(SEED)
            for name, step in steps.items():  # in the order of the script: what runs at the same time commutes
                if name in acknowledged or name in some:
                    step.effect(documents)
            found.append(documents)
    return found
