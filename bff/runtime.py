"""The running parts of one process, from the datastore up: opened in order, closed in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from hashlib import sha256

from bff.auth.revocation import Revocations
from bff.broadcast.connect import open_broadcast
from bff.broadcast.port import Broadcast
from bff.datastore.connect import open_datastore
from bff.datastore.port import Datastore
from bff.live.channels import Channels
from bff.live.hub import Hub
from bff.live.relay import Relay
from bff.model.catalog import Catalog
from bff.model.outbox_entry import SENT
from bff.observability.tracing import NO_TRACING, Tracing
from bff.projection.as_of import LocalAsOf, RemoteAsOf
from bff.projection.checkpoint import name_for
from bff.projection.effects import Effects
from bff.projection.expiry import Expiry
from bff.projection.handling import HandlingOptions
from bff.projection.mediation import Mediation
from bff.projection.outbox import Outbox, OutboxOptions
from bff.projection.projector import Projector
from bff.projection.reader import ViewReader
from bff.projection.storages import Storages
from bff.resolvers.consistency import Consistency
from bff.resolvers.idempotency_record import COLLECTION as IDEMPOTENCY
from bff.settings import Settings
from bff.together import LeftTogether

__all__ = ["Runtime", "open_runtime"]


@dataclass(frozen=True, slots=True)
class Runtime:
    """What runs in this process. A part that is another role's is None.

    ``as_of`` follows the projector of another process, where none runs in this one; ``consistency`` is what operations know of
    how new views are, whichever projector it is.
    """

    datastore: Datastore
    broadcast: Broadcast
    views: ViewReader
    hub: Hub | None
    projector: Projector | None
    mediation: Mediation | None
    outbox: Outbox | None
    relay: Relay | None
    as_of: RemoteAsOf | None
    expiry: Expiry | None
    consistency: Consistency
    storages: Storages
    revocations: Revocations | None = None


@asynccontextmanager
async def open_runtime(
    catalog: Catalog,
    settings: Settings,
    datastore: Datastore | None = None,
    broadcast: Broadcast | None = None,
    *,
    authenticates: bool = False,
    tracing: Tracing = NO_TRACING,
) -> AsyncIterator[Runtime]:
    """Start what the settings' role plays; adapters that are given stand in for those that the settings name.
    Where the app ``authenticates``, tokens can be revoked.

    Raises SettingsError, DatastoreUnavailable or BroadcastError where something it needs is not there.
    """
    roles = settings.roles()
    async with AsyncExitStack() as stack:
        datastore = await stack.enter_async_context(datastore or open_datastore(settings.datastore_url))
        given = broadcast is not None
        broadcast = await stack.enter_async_context(broadcast or open_broadcast(settings.broadcast_url))
        # A projector of this process makes its own storages current.
        kept = None if "projector" in roles else partial(RemoteAsOf, datastore, name_for(catalog))
        storages = await stack.enter_async_context(Storages(datastore, catalog, kept=kept))
        projector = mediation = outbox = relay = hub = as_of = expiry = None
        if "projector" in roles:
            # Where the datastore is gone, each of them waits for it at the end, for as long as it may.
            working = await stack.enter_async_context(LeftTogether())
            projector = await working.enter(Projector(datastore, catalog, concurrency=settings.builds_at_once, storages=storages))
            options = HandlingOptions(settings.dead_after_attempts, settings.handler_seconds)
            mediation = await working.enter(Mediation(datastore, catalog, options))
            # Also those of effects that the app has no more.
            expiry = await working.enter(Expiry(datastore, IDEMPOTENCY, SENT))
            if catalog.effects:
                sending = OutboxOptions(settings.dead_after_attempts, kept=timedelta(days=settings.sent_days))
                outbox = await working.enter(Outbox(datastore, catalog, sending))
        else:
            as_of = await stack.enter_async_context(RemoteAsOf(datastore, name_for(catalog)))
        namespace = settings.broadcast_namespace or f"bff-{sha256(datastore.url.encode()).hexdigest()[:12]}"
        channels = Channels(namespace, code=catalog.beside_code)
        views = ViewReader(datastore, catalog, storages=storages) if projector is None else projector.views
        views.builder.tracing = tracing
        # What is published in memory stays in this process: it needs a relay of its own.
        if "relay" in roles or ("web" in roles and broadcast.url.startswith("memory:")):
            # Of one that was given, others may be listening to the same object.
            unheard = "web" in roles and broadcast.url.startswith("memory:") and not given
            news = views.news if unheard else None
            telling = Relay(datastore, broadcast, catalog, channels=channels, news=news, storages=storages, tracing=tracing)
            relay = await stack.enter_async_context(telling)
        if "web" in roles:
            live = Hub(
                broadcast,
                views,
                channels=channels,
                compare_seconds=settings.compare_seconds,
                cached_views=settings.limits.cached_views,
                cached_bytes=settings.limits.cached_view_bytes,
                cached_lists=settings.limits.cached_lists,
                cached_list_views=settings.limits.cached_list_views,
                # What is published in memory is heard for certain. Otherwise only what comes over the server says that it comes.
                relay=relay if broadcast.url.startswith("memory:") else None,
                tracing=tracing,
            )
            hub = await stack.enter_async_context(live)
            views.news.listener = hub
            storages.on_switch.append(hub.compare)
        revocations = None
        if authenticates:
            revocations = await stack.enter_async_context(Revocations(datastore, hours=settings.revocation_hours))
        consistency = Consistency(
            as_of or (None if projector is None else LocalAsOf(projector)),
            Effects(datastore, catalog, None if projector is None else projector.shapes),
            settings.stale_seconds,
            settings.idempotency_hours,
        )
        yield Runtime(
            datastore,
            broadcast,
            views,
            hub,
            projector,
            mediation,
            outbox,
            relay,
            as_of,
            expiry,
            consistency,
            storages,
            revocations,
        )
