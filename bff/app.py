"""``bff.App``: declarations in, an ASGI application out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from ariadne import SchemaBindable
from graphql import GraphQLSchema
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from bff.broadcast.port import Broadcast
from bff.datastore.port import Datastore
from bff.datastore.session import DatastoreSession
from bff.errors import BFFError
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.mediator import Mediator
from bff.model.session import use_session
from bff.model.view_model import ViewModel
from bff.readiness import readiness
from bff.resolvers.bind import bind
from bff.resolvers.context import Context
from bff.resolvers.plan.plans import Plans
from bff.runtime import Runtime, open_runtime
from bff.schema.build import build_schema
from bff.serving.explorer.explorer import Explorer
from bff.serving.health import Health
from bff.serving.http import GraphQLApp, graphql_app
from bff.serving.manifest import read_manifest
from bff.serving.operations import Operation
from bff.serving.shortcut import Shortcut
from bff.settings import Settings, load_settings

__all__ = ["App"]


class App:
    """An ASGI application that keeps, serves and pushes views.

    ::

        app = bff.App(views=[MeetingSession], mediators=[MeetingRoom])      # bff serve meeting_room.app:app

    ``type_defs`` and ``bindables`` extend the reflected schema with SDL and resolvers of your own, as in Ariadne; ``routes`` are
    Starlette's, served beside GraphQL. ``models`` names domain models that no view and no mediator leads to. ``settings`` are
    read from the environment at start-up where none are given, and so are the adapters from their URLs.

    It opens nothing before the ASGI lifespan does. Raises DeclarationError for what is declared wrongly.
    """

    def __init__(
        self,
        *,
        views: Sequence[type[ViewModel]],
        mediators: Sequence[type[Mediator]] = (),
        models: Sequence[type[DomainModel]] = (),
        type_defs: str | Sequence[str] | None = None,
        bindables: Sequence[SchemaBindable] = (),
        routes: Sequence[BaseRoute] = (),
        settings: Settings | None = None,
        datastore: Datastore | None = None,
        broadcast: Broadcast | None = None,
    ) -> None:
        self.catalog = Catalog.of(views, mediators, models)
        self.schema: GraphQLSchema = build_schema(self.catalog, type_defs)
        bind(self.schema, self.catalog, bindables)
        self.settings = settings
        self._routes = tuple(routes)
        self.datastore = datastore
        self.broadcast = broadcast
        self._serving: ASGIApp | None = None
        self._shortcut: Shortcut | None = None
        self._graphql_path = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # In front of everything else: most requests are queries that have a plan.
        if (
            self._shortcut is not None
            and scope["type"] == "http"
            and scope["path"] == scope.get("root_path", "") + self._graphql_path
        ):
            left = await self._shortcut.answer(scope, receive, send)
            if left is None:
                return
            receive = left
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif self._serving is None:
            raise RuntimeError("bff.App was not started: run it on a server with lifespan support, or inside app.running()")
        else:
            await self._serving(scope, receive, send)

    @asynccontextmanager
    async def running(self, settings: Settings | None = None) -> AsyncIterator[Runtime]:
        """Start everything, and stop it at the end: what a server's lifespan does, for scripts and tests.

        ``settings`` stand in for the app's own.
        Raises SettingsError, DatastoreUnavailable or BroadcastError where something it needs is not there.
        """
        settings = settings or self.settings or load_settings()
        async with open_runtime(self.catalog, settings, self.datastore, self.broadcast) as runtime:
            explorer = Explorer() if settings.serves_explorer() else None
            graphql = self._graphql(runtime, settings, explorer)
            self._serving = _with_session(self._routed(graphql, runtime, settings, explorer), runtime.datastore)
            self._graphql_path = settings.graphql_path
            self._shortcut = graphql.shortcut if "web" in settings.roles() else None
            try:
                yield runtime
            finally:
                self._serving = self._shortcut = None
                await graphql.shutdown()

    def _graphql(self, runtime: Runtime, settings: Settings, explorer: Explorer | None) -> GraphQLApp:
        plans = None if runtime.hub is None else Plans(self.schema, self.catalog, runtime.hub, runtime.views)

        def context(request: HTTPConnection, operation: Operation) -> Context:
            assert runtime.hub is not None, "GraphQL is served by the web role, which has a hub"
            return Context(
                runtime.datastore,
                self.catalog,
                runtime.views,
                runtime.hub,
                request,
                asked=operation.asked,
                fingerprint=operation.fingerprint,
                max_links=settings.limits.followed_links,
                kind=operation.kind,
                consistency=runtime.consistency,
            )

        return graphql_app(
            self.schema,
            context,
            limits=settings.limits,
            allowed_origins=settings.allowed_origins,
            introspection=settings.introspection,
            page=None if explorer is None else explorer.page,
            automatic_persisted_queries=settings.automatic_persisted_queries,
            trusted_documents=None if settings.trusted_documents is None else read_manifest(settings.trusted_documents),
            trusted_documents_only=settings.trusted_documents_only,
            batch_operations=settings.batch_operations,
            compression=settings.compression,
            definition=" ".join(view.__view__.definition_hash for view in self.catalog.views.values()),
            plans=plans,
        )

    def _routed(self, graphql: GraphQLApp, runtime: Runtime, settings: Settings, explorer: Explorer | None) -> Starlette:
        health = Health(readiness(runtime)).routes()
        if "web" not in settings.roles():
            return Starlette(routes=health)
        endpoints = [Route(settings.graphql_path, graphql), WebSocketRoute(settings.graphql_path, graphql)]
        pages = [] if explorer is None else explorer.routes(settings.graphql_path)
        return Starlette(routes=[*endpoints, *pages, *health, *self._routes])

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        """ASGI's lifespan protocol. What is wrong at start-up is one line in the server's log, not a traceback."""
        phase = "startup"
        await receive()
        try:
            async with self.running():
                await send({"type": "lifespan.startup.complete"})
                phase = "shutdown"
                await receive()
        except BFFError as error:
            await send({"type": f"lifespan.{phase}.failed", "message": str(error)})
            return
        await send({"type": "lifespan.shutdown.complete"})


def _with_session(app: ASGIApp, datastore: Datastore) -> ASGIApp:
    """Have ``City.get`` and the like go to this app's datastore in everything that serves a request."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        with use_session(DatastoreSession(datastore)):
            await app(scope, receive, send)

    return serve
