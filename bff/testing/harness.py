"""An app that runs in the test's own event loop, and a client of it: no port, no process, no sleep.

::

    async with AppHarness(app) as running:
        await running.execute('mutation { vote(choiceId: "tea") { total } }')
        async with running.watch('subscription { results(id: "p1") { total } }') as results:
            assert await results.next() == {"data": {"results": {"total": 1}}}
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Any, Self

import httpx

from bff.app import App
from bff.datastore.session import DatastoreSession
from bff.model.session import use_session
from bff.runtime import Runtime
from bff.settings import Settings
from bff.testing.graphql_ws import GraphQLWSClient

__all__ = ["AppHarness", "Watch"]


class Watch:
    """One subscription. Every wait has the deadline of its harness; states that a newer one replaced may be skipped."""

    def __init__(self, client: GraphQLWSClient, id: str) -> None:
        self._client = client
        self._id = id

    async def next(self) -> dict[str, Any]:
        """The next state. Raises OperationFailed, TimeoutError."""
        return await self._client.next(self._id)

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first state that is as wanted. Raises OperationFailed, TimeoutError."""
        return await self._client.until(self._id, wanted)


class AppHarness:
    """Runs an app on an embedded datastore in memory, or on what ``settings`` say, for as long as it is entered.

    Inside it, ``City.get``, ``city.save`` and the like go to the app's datastore. ``timeout`` is the deadline of every wait, in
    seconds. Entering raises what ``App.running`` raises.
    """

    def __init__(self, app: App, *, settings: Settings | None = None, timeout: float = 30.0) -> None:
        self.app = app
        self.timeout = timeout
        self._settings = settings or Settings(datastore_url="sqlite://", broadcast_url="memory://")
        self._stack = AsyncExitStack()
        self._runtime: Runtime | None = None
        self._http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._runtime = await stack.enter_async_context(self.app.running(self._settings))
            stack.enter_context(use_session(DatastoreSession(self._runtime.datastore)))
            transport = httpx.ASGITransport(self.app)
            self._http = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://app.test"))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, traceback)
        self._runtime = self._http = None

    @property
    def runtime(self) -> Runtime:
        """What runs: the datastore, the projector, the hub."""
        if self._runtime is None:
            raise RuntimeError("enter the harness first: async with AppHarness(app) as running")
        return self._runtime

    @property
    def http(self) -> httpx.AsyncClient:
        """An HTTP client of the app, for requests of any kind: ``await running.http.get("/readyz")``."""
        if self._http is None:
            raise RuntimeError("enter the harness first: async with AppHarness(app) as running")
        return self._http

    async def handled(self) -> None:
        """Wait until mediators and forms have handled everything that is committed, and effects were called for what is sent.

        What raises counts as handled: it is tried again later. Raises TimeoutError.
        """
        runtime = self.runtime
        if runtime.mediation is not None:
            await runtime.mediation.wait_for(await runtime.datastore.ping(), self.timeout)
        if runtime.outbox is not None:
            await runtime.outbox.wait_for(await runtime.datastore.ping(), self.timeout)

    async def execute(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        extensions: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Run a query or a mutation over HTTP: its result, with ``data`` and, where there are any, ``errors`` and ``extensions``.

        ``extensions`` are the request's (``{"bff": {"minAsOf": …}}``), ``headers`` beside those that every request has.
        """
        body: dict[str, Any] = {"query": query, "variables": dict(variables or {})}
        if extensions is not None:
            body["extensions"] = dict(extensions)
        async with asyncio.timeout(self.timeout):
            response = await self.http.post(self._path, json=body, headers=headers)
        result: dict[str, Any] = response.json()
        return result

    @asynccontextmanager
    async def watch(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        extensions: Mapping[str, Any] | None = None,
        payload: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[Watch]:
        """Subscribe, over a WebSocket of its own. ``payload`` is that of its ``connection_init``: ``{"token": "…"}``."""
        async with GraphQLWSClient.to_app(self.app, self._path, timeout=self.timeout) as client:
            await client.init(payload)
            yield Watch(client, await client.subscribe(query, variables, extensions=extensions))

    async def settled(self) -> None:
        """Wait until every mediator has handled, and every view shows, everything written so far. Raises TimeoutError.

        Needs the projector in this process, which is what settings say unless a role is set.
        """
        projector = self.runtime.projector
        if projector is None:
            raise RuntimeError("settled() waits for the projector, and this app runs without one (BFF_ROLE)")
        if self.runtime.mediation is not None:
            # What one mediator writes can be another's source.
            for _ in self.app.catalog.mediators:
                await self.runtime.mediation.wait_for(await self.runtime.datastore.ping(), self.timeout)
        await projector.wait_for(await self.runtime.datastore.ping(), self.timeout)
        # What is built beside the views of former code is shown once that is done.
        await self.runtime.storages.wait(self.timeout)

    @property
    def _path(self) -> str:
        return self._settings.graphql_path
