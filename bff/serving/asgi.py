"""The ASGI application of one schema: GraphQL over HTTP and graphql-transport-ws at one address."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ariadne.asgi import GraphQL
from ariadne.explorer import ExplorerHttp405
from graphql import GraphQLSchema
from starlette.types import Receive, Scope, Send

from bff.auth.authenticator import Authenticator
from bff.observability.tally import Tally
from bff.observability.tracing import NO_TRACING, Tracing
from bff.serving.caching import Caching
from bff.serving.compression import Compression
from bff.serving.documents import Documents
from bff.serving.errors import format_error
from bff.serving.etags import ETags
from bff.serving.http import GraphQLHTTPHandler, Page
from bff.serving.limits import Limits
from bff.serving.manifest import PersistedDocument
from bff.serving.occupancy import Occupancy
from bff.serving.operations import ContextFactory, Operations
from bff.serving.origins import Origins
from bff.serving.persisted import PersistedDocuments, TrustedDocuments
from bff.serving.planning import Plans
from bff.serving.shortcut import Shortcut
from bff.serving.websocket import GraphQLTransportWSHandler, OnConnect

__all__ = ["GraphQLApp", "graphql_app"]


class GraphQLApp(GraphQL):
    """The ASGI application of one schema; ``shutdown`` belongs into the lifespan of whatever it is mounted in."""

    http_handler: GraphQLHTTPHandler
    websocket_handler: GraphQLTransportWSHandler
    shortcut: Shortcut | None = None
    """What plans are answered by, as soon as a request has come; whatever is in front of this application may ask it first."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.shortcut is not None and scope["type"] == "http":
            left = await self.shortcut.answer(scope, receive, send)
            if left is None:
                return
            receive = left
        await super().__call__(scope, receive, send)

    @property
    def tally(self) -> Tally:
        """What has been counted of all operations, those over WebSocket included."""
        return self.http_handler.tally

    async def drain(self) -> None:
        """As ``shutdown``, but mutations over WebSocket that have begun are answered before their sockets are closed."""
        await asyncio.gather(self.http_handler.shutdown(), self.websocket_handler.drain())

    async def shutdown(self) -> None:
        """End every stream, close every WebSocket with 1012, and wait until nothing of them runs."""
        await asyncio.gather(self.http_handler.shutdown(), self.websocket_handler.shutdown())


def graphql_app(
    schema: GraphQLSchema,
    context_factory: ContextFactory,
    *,
    limits: Limits | None = None,
    on_connect: OnConnect | None = None,
    allowed_origins: Sequence[str] = (),
    introspection: bool = True,
    page: Page | None = None,
    automatic_persisted_queries: bool = True,
    trusted_documents: Sequence[PersistedDocument] | None = None,
    trusted_documents_only: bool = True,
    batch_operations: int = 0,
    compression: bool = True,
    definition: str = "",
    plans: Plans | None = None,
    tally: Tally | None = None,
    tracing: Tracing = NO_TRACING,
    authenticator: Authenticator | None = None,
) -> GraphQLApp:
    """Serve a schema over HTTP and graphql-transport-ws.

    ``context_factory`` makes ``info.context`` for each operation. ``allowed_origins`` are pages of other hosts that may
    open a WebSocket, or send a GET (``"https://app.example.com"``, or ``"*"``); the own host's may always. ``page`` answers a
    browser that has followed a link here; without it that is a few lines of help.

    ``automatic_persisted_queries`` lets clients name what they have sent before by its hash. ``trusted_documents`` are those of
    the app's own clients, the only ones that are executed unless ``trusted_documents_only`` is False. ``batch_operations`` is how
    many operations one request may hold as a list, 0 for no lists. ``definition`` stands for whatever decides how stored views
    are shown, besides the schema: where it differs, ETags do. ``plans`` answer the operations that they know how to, without a
    context. ``tally`` is added to, ``tracing`` makes spans.
    ``authenticator`` says who sends a request, or holds a socket, before anything is done for it.

    Raises TypeError where the schema is not valid, SettingsError where a trusted document does not fit it.
    """
    limits = limits or Limits()
    documents = Documents(schema, limits, introspection=introspection, plans=plans)
    trusted = None if trusted_documents is None else TrustedDocuments(trusted_documents, documents, only=trusted_documents_only)
    persisted = PersistedDocuments(documents, limits, automatic=automatic_persisted_queries, trusted=trusted)
    operations = Operations(schema, context_factory, documents, persisted, tally, tracing)
    caching = Caching(ETags(schema, limits, definition))
    origins = Origins(allowed_origins)
    occupancy = Occupancy(limits)
    compressing = Compression(limits.compressed_bytes) if compression else None
    app = GraphQLApp(
        schema,
        introspection=introspection,
        explorer=ExplorerHttp405(),
        error_formatter=format_error,
        http_handler=GraphQLHTTPHandler(
            operations,
            limits,
            page,
            caching=caching,
            batch_operations=batch_operations,
            compression=compressing,
            authenticator=authenticator,
            origins=origins,
            occupancy=occupancy,
        ),
        websocket_handler=GraphQLTransportWSHandler(
            operations, limits, origins=origins, on_connect=on_connect, authenticator=authenticator, occupancy=occupancy
        ),
    )
    if plans is not None:
        app.shortcut = Shortcut(
            persisted,
            limits,
            compressing,
            app.http_handler.change,
            authenticator=authenticator,
            other_origins=bool(allowed_origins),
        )
    return app
