"""What an app answers with while it runs: its endpoints, over the running parts of its process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from graphql import GraphQLSchema
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from bff.broadcast.port import Broadcast
from bff.datastore.port import Datastore
from bff.datastore.session import DatastoreSession
from bff.model.catalog import Catalog
from bff.model.session import use_session
from bff.readiness import readiness
from bff.resolvers.context import Context
from bff.resolvers.plan.plans import Plans
from bff.runtime import Runtime, open_runtime
from bff.serving.explorer.explorer import Explorer
from bff.serving.health import Health
from bff.serving.http import GraphQLApp, graphql_app
from bff.serving.manifest import read_manifest
from bff.serving.operations import Operation
from bff.serving.shortcut import Shortcut
from bff.settings import Settings

__all__ = ["Served", "open_served"]


@dataclass(frozen=True, slots=True)
class Served:
    """``endpoints`` answer every request; ``shortcut``, where this process serves GraphQL, most of its queries faster."""

    runtime: Runtime
    endpoints: ASGIApp
    shortcut: Shortcut | None


@asynccontextmanager
async def open_served(
    schema: GraphQLSchema,
    catalog: Catalog,
    settings: Settings,
    *,
    routes: Sequence[BaseRoute] = (),
    datastore: Datastore | None = None,
    broadcast: Broadcast | None = None,
) -> AsyncIterator[Served]:
    """Start what the settings' role plays, with endpoints for it; adapters that are given stand in for those of the settings.

    Raises SettingsError, DatastoreUnavailable or BroadcastError where something it needs is not there.
    """
    async with open_runtime(catalog, settings, datastore, broadcast) as runtime:
        explorer = Explorer() if settings.serves_explorer() else None
        graphql = _graphql(schema, catalog, runtime, settings, explorer)
        endpoints = _with_session(_routed(graphql, runtime, settings, explorer, routes), runtime.datastore)
        try:
            yield Served(runtime, endpoints, graphql.shortcut if "web" in settings.roles() else None)
        finally:
            await graphql.shutdown()


def _graphql(
    schema: GraphQLSchema, catalog: Catalog, runtime: Runtime, settings: Settings, explorer: Explorer | None
) -> GraphQLApp:
    plans = None if runtime.hub is None else Plans(schema, catalog, runtime.hub, runtime.views)

    def context(request: HTTPConnection, operation: Operation) -> Context:
        assert runtime.hub is not None, "GraphQL is served by the web role, which has a hub"
        return Context(
            runtime.datastore,
            catalog,
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
        schema,
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
        definition=" ".join(view.__view__.definition_hash for view in catalog.views.values()),
        plans=plans,
    )


def _routed(
    graphql: GraphQLApp, runtime: Runtime, settings: Settings, explorer: Explorer | None, routes: Sequence[BaseRoute]
) -> Starlette:
    health = Health(readiness(runtime)).routes()
    if "web" not in settings.roles():
        return Starlette(routes=health)
    endpoints = [Route(settings.graphql_path, graphql), WebSocketRoute(settings.graphql_path, graphql)]
    pages = [] if explorer is None else explorer.routes(settings.graphql_path)
    return Starlette(routes=[*endpoints, *pages, *health, *routes])


def _with_session(app: ASGIApp, datastore: Datastore) -> ASGIApp:
    """Have ``City.get`` and the like go to this app's datastore in everything that serves a request."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        with use_session(DatastoreSession(datastore)):
            await app(scope, receive, send)

    return serve
