"""What an app answers with while it runs: its endpoints, over the running parts of its process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from graphql import GraphQLSchema
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from bff.auth.authenticator import Authenticator, principal_of
from bff.auth.port import Authenticate
from bff.broadcast.port import Broadcast
from bff.datastore.port import Datastore
from bff.datastore.session import DatastoreSession
from bff.model.catalog import Catalog
from bff.model.session import use_session
from bff.observability.metrics import Metrics
from bff.observability.requests import with_request_ids
from bff.observability.tally import Tally
from bff.observability.tracing import NO_TRACING, Tracing, open_tracing
from bff.readiness import readiness
from bff.resolvers.context import Context
from bff.resolvers.plan.plans import Plans
from bff.resolvers.visibility import Visibility
from bff.runtime import Runtime, open_runtime
from bff.serving.asgi import GraphQLApp, graphql_app
from bff.serving.explorer.explorer import Explorer
from bff.serving.health import Health
from bff.serving.manifest import read_manifest
from bff.serving.operations import Operation
from bff.serving.own_route import REFUSED, OwnRoute
from bff.serving.shortcut import Shortcut
from bff.settings import Settings

__all__ = ["Served", "open_served"]


@dataclass(frozen=True, slots=True)
class Served:
    """``endpoints`` answer every request, of GraphQL through ``graphql``; ``health`` tells how the process is.

    ``shortcut``, where this process serves GraphQL, answers most queries faster.
    """

    runtime: Runtime
    graphql: GraphQLApp
    health: Health
    endpoints: ASGIApp
    shortcut: Shortcut | None


@asynccontextmanager
async def open_served(
    schema: GraphQLSchema,
    catalog: Catalog,
    settings: Settings,
    *,
    auth: Authenticate | None = None,
    routes: Sequence[BaseRoute] = (),
    datastore: Datastore | None = None,
    broadcast: Broadcast | None = None,
) -> AsyncIterator[Served]:
    """Start what the settings' role plays, with endpoints for it; adapters that are given stand in for those of the settings.

    ``auth`` is entered and left with the rest, where it can be.
    Raises SettingsError, DatastoreUnavailable or BroadcastError where something it needs is not there.
    """
    async with AsyncExitStack() as stack:
        opening: object = auth
        if isinstance(opening, AbstractAsyncContextManager):
            await stack.enter_async_context(opening)
        tracing = open_tracing() if settings.tracing else NO_TRACING
        opened = open_runtime(catalog, settings, datastore, broadcast, authenticates=auth is not None, tracing=tracing)
        runtime = await stack.enter_async_context(opened)
        explorer = Explorer() if settings.serves_explorer() else None
        authenticator = None if auth is None else _authenticator(auth, runtime, settings)
        graphql = _graphql(schema, catalog, runtime, settings, explorer, authenticator, tracing)
        own = routes
        if authenticator is not None:
            own = [OwnRoute(route, authenticator, settings.allowed_origins) for route in routes]
        health = Health(readiness(runtime))
        endpoints: ASGIApp = _with_session(_routed(graphql, runtime, settings, explorer, health, own), runtime.datastore)
        if settings.allowed_origins:
            endpoints = _for_other_origins(endpoints, settings.allowed_origins)
        endpoints = with_request_ids(endpoints, tracing)
        try:
            yield Served(runtime, graphql, health, endpoints, graphql.shortcut if "web" in settings.roles() else None)
        finally:
            await graphql.shutdown()


def _authenticator(auth: Authenticate, runtime: Runtime, settings: Settings) -> Authenticator:
    seconds, warn_seconds = settings.limits.authenticate_seconds, settings.limits.expiry_notice_seconds
    return Authenticator(auth, runtime.revocations, seconds=seconds, warn_seconds=warn_seconds)


def _graphql(
    schema: GraphQLSchema,
    catalog: Catalog,
    runtime: Runtime,
    settings: Settings,
    explorer: Explorer | None,
    authenticator: Authenticator | None,
    tracing: Tracing,
) -> GraphQLApp:
    limits = settings.limits
    tally = Tally()
    visibility = plans = None
    if runtime.hub is not None:
        visibility = Visibility(catalog, runtime.views, runtime.hub)
        plans = Plans(schema, catalog, visibility)

    def context(request: HTTPConnection, operation: Operation) -> Context:
        assert visibility is not None, "GraphQL is served by the web role, which has a hub"
        principal = principal_of(request)
        visible = visibility.of(principal)
        return Context(
            runtime.datastore,
            catalog,
            visible.views,
            visible.hub,
            request,
            principal=principal,
            audience=visible.audience,
            asked=operation.asked,
            fingerprint=lambda: operation.fingerprint,
            max_links=limits.followed_links,
            kind=operation.kind,
            consistency=runtime.consistency,
            tally=tally,
            tracing=tracing,
        )

    return graphql_app(
        schema,
        context,
        limits=limits,
        allowed_origins=settings.allowed_origins,
        introspection=settings.tells_schema(),
        page=None if explorer is None else explorer.page,
        automatic_persisted_queries=settings.automatic_persisted_queries,
        trusted_documents=None if settings.trusted_documents is None else read_manifest(settings.trusted_documents),
        trusted_documents_only=settings.trusted_documents_only,
        batch_operations=settings.batch_operations,
        compression=settings.compression,
        definition=" ".join(view.__view__.definition_hash for view in catalog.views.values()),
        plans=plans,
        tally=tally,
        tracing=tracing,
        authenticator=authenticator,
    )


def _routed(
    graphql: GraphQLApp,
    runtime: Runtime,
    settings: Settings,
    explorer: Explorer | None,
    health: Health,
    routes: Sequence[BaseRoute],
) -> Starlette:
    web = "web" in settings.roles()
    told = health.routes()
    if settings.metrics_path:
        told.append(Metrics(runtime, graphql if web else None).route(settings.metrics_path))
    if not web:
        return Starlette(routes=told)
    endpoints = [Route(settings.graphql_path, graphql), WebSocketRoute(settings.graphql_path, graphql)]
    pages = [] if explorer is None else explorer.routes(settings.graphql_path)
    return Starlette(routes=[*endpoints, *pages, *told, *routes], exception_handlers=REFUSED)


def _for_other_origins(app: ASGIApp, allowed: Sequence[str]) -> ASGIApp:
    """Tell browsers that these pages may read what is answered (https://fetch.spec.whatwg.org/#http-cors-protocol)."""
    return CORSMiddleware(
        app,
        allow_origins=[origin.rstrip("/") for origin in allowed],
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["*"],
        # With cookies, a browser takes no answer that is for everybody.
        allow_credentials="*" not in allowed,
        expose_headers=["ETag", "Retry-After", "X-Request-Id"],
    )


def _with_session(app: ASGIApp, datastore: Datastore) -> ASGIApp:
    """Have ``City.get`` and the like go to this app's datastore in everything that serves a request."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        with use_session(DatastoreSession(datastore)):
            await app(scope, receive, send)

    return serve
