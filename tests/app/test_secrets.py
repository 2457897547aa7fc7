"""No text of an exception reaches a client, whoever raised it and whichever way the client came (CWE-209).

tests/serving/test_leaks.py has what serving itself comes upon; here it is everything that an app has code in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from ariadne import QueryType, SubscriptionType

from bff import App, DomainModel, Mediator, Readers, Store, ViewModel, field, mutation, reference
from bff.auth.port import Credentials
from bff.errors import DatastoreError, DatastoreUnavailable
from bff.principal import Principal
from bff.settings import Settings
from bff.testing.graphql_ws import OperationFailed, Unexpected
from bff.testing.harness import AppHarness
from bff.testing.http_inbox import Ended, Refused
from bff.testing.websocket_wires import Closed
from tests.everywhere import EVERYWHERE, said
from tests.faults.failing import FailingDatastore
from tests.transports import TRANSPORTS, subscribed

pytestmark = pytest.mark.anyio

SECRET = "hunter2"


class Vault(DomainModel, collection="vaults"):
    name: str

    @mutation(returns="VaultView")
    def burst(self) -> None:
        raise RuntimeError(SECRET)

    @mutation(returns="VaultView")
    def rename(self, name: str) -> None:
        self.name = name

    @mutation(returns="VaultView", allow=lambda principal: unlucky(principal))
    def guard(self) -> None:
        """Whether one may raises."""


def unlucky(principal: Principal) -> bool:
    raise RuntimeError(SECRET)


class VaultStore(Store):
    vault = reference(Vault)


class VaultView(ViewModel):
    store: VaultStore

    @field
    def name(self) -> str:
        if self.store.vault.name == "broken":
            raise RuntimeError(SECRET)
        return self.store.vault.name

    @name.setter
    def name(self, value: str) -> None:
        raise RuntimeError(SECRET)


class ClosedVault(ViewModel):
    store: VaultStore

    @field
    def size(self) -> int:
        return len(self.store.vault.name)

    def readers(self) -> Readers:
        if self.store.vault.name == "broken":
            raise RuntimeError(SECRET)
        return Readers.public()


class Keeper(Mediator):
    @mutation
    async def open(self, name: str) -> str:
        raise RuntimeError(SECRET)


query, subscription = QueryType(), SubscriptionType()


@query.field("combination")
async def combination(_: object, info: object) -> str:
    raise RuntimeError(SECRET)


@subscription.source("turns")
async def turns(_: object, info: object) -> AsyncIterator[int]:
    yield 1
    raise RuntimeError(SECRET)


@subscription.field("turns")
def turn(number: int, info: object) -> int:
    raise RuntimeError(SECRET)


async def auth(given: Credentials) -> Principal | None:
    if given.token == "broken":
        raise RuntimeError(SECRET)
    return None


def made(datastore: FailingDatastore) -> App:
    return App(
        views=[VaultView, ClosedVault],
        mediators=[Keeper],
        auth=auth,
        type_defs="extend type Query { combination: String! } extend type Subscription { turns: Int! }",
        bindables=[query, subscription],
        datastore=datastore,
        settings=Settings(broadcast_url="memory://", batch_operations=2),
    )


@asynccontextmanager
async def running() -> AsyncIterator[tuple[App, FailingDatastore]]:
    datastore = FailingDatastore()
    app = made(datastore)
    async with AppHarness(app) as harness:
        await Vault(id="whole", name="Blue").save()
        await Vault(id="other", name="Red").save()
        await harness.settled()
        await Vault(id="broken", name="broken").save()
        yield app, datastore
        datastore.refuse = lambda call: None


def tells_nothing(answer: str) -> None:
    assert SECRET not in answer
    assert "Traceback" not in answer
    assert 'File "' not in answer
    assert "://" not in answer.replace("http://app.test", "")
    assert "errors" in answer or '"message"' in answer or "Closed" in answer or "closed" in answer, answer


QUERIES = [
    "{ combination }",
    '{ vaultView(id: "broken") { name } }',
    '{ closedVault(id: "broken") { size } }',
    '{ node(id: "VaultView:broken") { id ... on VaultView { name } } }',
]
MUTATIONS = [
    'mutation { vaultBurst(id: "whole") { name } }',
    'mutation { vaultGuard(id: "whole") { name } }',
    'mutation { vaultRename(id: "other", name: "broken") { name } }',
    'mutation { updateVaultView(id: "whole", input: {name: "x"}) { name } }',
    'mutation { keeperOpen(name: "x") { result } }',
]
READS = ["{ vaultViews(first: 3) { totalCount edges { node { name } } } }", '{ vaultView(id: "nobody") { name } }']
WRITES = ['mutation { vaultRename(id: "whole", name: "Green") { name } }']
FAILURES = [DatastoreUnavailable(f"10.0.0.7:8080 {SECRET}"), DatastoreError(SECRET), RuntimeError(SECRET)]


@pytest.mark.parametrize("transport", EVERYWHERE)
async def test_what_the_apps_own_code_raises(transport: str) -> None:
    changing = [] if "GET" in transport else MUTATIONS
    async with running() as (app, _):
        for text in [*QUERIES, *changing]:
            tells_nothing(await said(transport, app, text))


@pytest.mark.parametrize("transport", EVERYWHERE)
async def test_what_the_datastore_raises(transport: str) -> None:
    changing = [] if "GET" in transport else WRITES
    async with running() as (app, datastore):
        for error in FAILURES:
            datastore.refuse = lambda call, error=error: error  # type: ignore[misc]
            for text in [*READS, *changing]:
                answer = await said(transport, app, text)
                tells_nothing(answer)
                assert "10.0.0.7" not in answer


@pytest.mark.parametrize("transport", EVERYWHERE)
async def test_what_authenticates_raises(transport: str) -> None:
    async with running() as (app, _):
        answer = await said(transport, app, '{ vaultView(id: "whole") { name } }', token="broken")
        tells_nothing(answer)
        assert "Blue" not in answer


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_of_subscriptions(transport: str) -> None:
    async with running() as (app, datastore):

        async def heard(text: str) -> str:
            told: list[Any] = []
            try:
                async with subscribed(transport, app, text) as following:
                    while "errors" not in str(told):
                        told.append(await following())
            except OperationFailed as failed:
                told.append({"errors": failed.errors})
            except (Closed, Unexpected, Ended, Refused) as ended:
                told.append(str(ended))
            return str(told)

        for text in (
            "subscription { turns }",
            'subscription { vaultView(id: "broken") { name } }',
            'subscription { closedVault(id: "broken") { size } }',
        ):
            tells_nothing(await heard(text))
        datastore.refuse = lambda call: RuntimeError(SECRET)
        tells_nothing(await heard("subscription { vaultViews(first: 3) { kind page { totalCount edges { node { name } } } } }"))
