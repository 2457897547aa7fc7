"""``bff.App``: declarations in, an ASGI application out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ariadne import SchemaBindable
from graphql import GraphQLSchema

from bff.errors import BFFError, SettingsError
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.effect import Effect
from bff.model.form import Form
from bff.model.mediator import Mediator
from bff.model.view_model import ViewModel
from bff.resolvers.bind import bind
from bff.schema.build import build_schema
from bff.settings import Settings, load_settings

if TYPE_CHECKING:
    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send

    from bff.auth.port import Authenticate
    from bff.broadcast.port import Broadcast
    from bff.datastore.port import Datastore
    from bff.runtime import Runtime
    from bff.served import Served
    from bff.serving.shortcut import Shortcut

__all__ = ["App"]


class App:
    """An ASGI application that keeps, serves and pushes views.

    ::

        app = bff.App(views=[MeetingSession], mediators=[MeetingRoom])      # bff serve meeting_room.app:app

    ``type_defs`` and ``bindables`` extend the reflected schema with SDL and resolvers of your own, as in Ariadne; ``routes`` are
    Starlette's, served beside GraphQL. ``auth`` says who asks (``JWTAuth``, ``FirebaseAuth``, or a function of Credentials),
    which ``bff.identify`` tells those routes; without it everybody is ANONYMOUS. ``models`` names domain models that no view and
    no mediator leads to; ``effects`` are what is called because of commits. ``settings`` are read from the environment at
    start-up where none are given, and so are the adapters from their URLs.

    It opens nothing before the ASGI lifespan does. Raises DeclarationError for what is declared wrongly.
    """

    def __init__(
        self,
        *,
        views: Sequence[type[ViewModel]],
        mediators: Sequence[type[Mediator]] = (),
        models: Sequence[type[DomainModel]] = (),
        effects: Sequence[Effect[Any]] = (),
        forms: Sequence[type[Form]] = (),
        type_defs: str | Sequence[str] | None = None,
        bindables: Sequence[SchemaBindable] = (),
        routes: Sequence[BaseRoute] = (),
        auth: Authenticate | None = None,
        settings: Settings | None = None,
        datastore: Datastore | None = None,
        broadcast: Broadcast | None = None,
    ) -> None:
        self.catalog = Catalog.of(views, mediators, models, effects, forms)
        self.schema: GraphQLSchema = build_schema(self.catalog, type_defs)
        bind(self.schema, self.catalog, bindables)
        self.settings = settings
        self.auth = auth
        self._routes = tuple(routes)
        self.datastore = datastore
        self.broadcast = broadcast
        self._served: Served | None = None
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
        elif self._served is None:
            raise RuntimeError("bff.App was not started: run it on a server with lifespan support, or inside app.running()")
        else:
            await self._served.endpoints(scope, receive, send)

    @asynccontextmanager
    async def running(self, settings: Settings | None = None) -> AsyncIterator[Runtime]:
        """Start everything, and stop it at the end: what a server's lifespan does, for scripts and tests.

        ``settings`` stand in for the app's own.
        Raises SettingsError, DatastoreUnavailable or BroadcastError where something it needs is not there.
        """
        # Here, because nobody who only declares an app (a script, a test, `bff schema`) needs what runs it: half of bff.
        from bff.served import open_served

        settings = settings or self.settings or load_settings()
        opened = open_served(
            self.schema,
            self.catalog,
            settings,
            auth=self.auth,
            routes=self._routes,
            datastore=self.datastore,
            broadcast=self.broadcast,
        )
        async with opened as served:
            self._served = served
            self._shortcut, self._graphql_path = served.shortcut, settings.graphql_path
            try:
                yield served.runtime
            finally:
                self._served = self._shortcut = None

    async def revoke(self, *, user: str | None = None, tenant: str | None = None) -> None:
        """Have no token hold any more that was issued until now to a user, to all of a tenant, or to a user of a tenant.

        Their sockets and streams are ended within a second, in every process. Raises RuntimeError where the app is not running,
        SettingsError where it has no ``auth``, ValueError where nobody is named, DatastoreUnavailable, OutcomeUnknown.
        """
        if self._served is None:
            raise RuntimeError("revoke in a running app: async with app.running(), or while it is served")
        revocations = self._served.runtime.revocations
        if revocations is None:
            raise SettingsError("there is nothing to revoke: App(auth=…) is not given")
        await revocations.revoke(user=user, tenant=tenant)

    def begin_drain(self) -> None:
        """Say at ``/readyz`` that this process is about to end, so that balancers move away. It goes on serving."""
        if self._served is not None:
            self._served.health.drain()

    async def drain(self) -> None:
        """End every subscription such that its client connects again, once the mutations beside it are answered; wait for that.

        ``bff serve`` does this when it is told to end, within ``drain_seconds``. Other servers end it in their lifespan.
        """
        if self._served is not None:
            self._served.health.drain()
            await self._served.graphql.drain()

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
