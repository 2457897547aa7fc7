"""What ``/metrics`` tells: read from the parts of a running app when it is asked, so that nothing is spent in between."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bff.live.hub import Hub
from bff.observability.exposition import CONTENT_TYPE, Metric, Sample, counter, gauge, render
from bff.observability.tally import Tally
from bff.observability.tasks import supervised
from bff.projection.mediation import Mediation
from bff.projection.outbox import Outbox
from bff.projection.projector import Projector
from bff.runtime import Runtime
from bff.serving.asgi import GraphQLApp
from bff.supervisor import State

__all__ = ["Metrics"]


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of one running app. ``graphql`` is None in a process that serves none."""

    runtime: Runtime
    graphql: GraphQLApp | None = None

    def route(self, path: str) -> Route:
        return Route(path, self.serve, methods=["GET"])

    async def serve(self, request: Request) -> Response:
        return Response(render(self.collect), headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})

    def collect(self) -> Iterator[Metric]:
        """All of them, as they are at this moment. The names are in docs/operations.md."""
        runtime = self.runtime
        yield from _of_tasks(runtime)
        if runtime.projector is not None:
            yield from _of_projector(runtime.projector)
        if runtime.mediation is not None:
            yield from _of_mediation(runtime.mediation)
        if runtime.outbox is not None:
            yield from _of_outbox(runtime.outbox)
        yield from _of_builds(runtime)
        if runtime.hub is not None:
            yield from _of_hub(runtime.hub)
        if self.graphql is not None:
            yield from _of_serving(self.graphql)
            yield from _of_tally(self.graphql.tally, 0 if self.graphql.shortcut is None else self.graphql.shortcut.answered)


def _of_tasks(runtime: Runtime) -> Iterator[Metric]:
    now = datetime.now(UTC)
    failing = [
        ({"part": part, "task": task.name}, (now - task.since).total_seconds() if task.state is State.FAILING else 0.0)
        for part, tasks in supervised(runtime)
        for task in tasks
    ]
    yield gauge("bff_task_failing_seconds", "Since when a long-lived task fails; 0 where it is well.", failing)


def _of_projector(projector: Projector) -> Iterator[Metric]:
    status = projector.status()
    lag = projector.lag(time.time_ns() // 1_000)
    if lag is not None:
        yield gauge("bff_projection_lag_seconds", "For how long the stored views may be behind the domain documents.", lag)
    yield gauge(
        "bff_projection_as_of_timestamp_seconds",
        "Up to when every change is known to be in the stored views; it may stand still while nothing changes.",
        status.as_of / 1_000_000,
    )
    queue = [({"state": "waiting"}, status.waiting), ({"state": "building"}, status.building)]
    yield gauge("bff_projection_views", "Views that are to be built.", queue)
    yield gauge("bff_projection_failing_views", "Views whose newest build failed.", status.failing)
    yield gauge("bff_projection_rebuilding", "Kinds of views that are being built anew.", len(status.rebuilding))


def _of_mediation(mediation: Mediation) -> Iterator[Metric]:
    mediators = mediation.status()
    waiting = [({"mediator": one.name}, one.waiting) for one in mediators]
    yield gauge("bff_mediation_documents_waiting", "Documents that a mediator has not handled yet.", waiting)
    failing = [({"mediator": one.name}, one.failing) for one in mediators]
    yield gauge("bff_mediation_documents_failing", "Documents that a mediator could not handle.", failing)


def _of_outbox(outbox: Outbox) -> Iterator[Metric]:
    status = outbox.status()
    yield gauge("bff_outbox_waiting", "Effects of commits that are still to be called.", status.waiting)
    yield gauge("bff_outbox_failing", "Effects of commits that raised, and are tried again.", status.failing)


def _of_builds(runtime: Runtime) -> Iterator[Metric]:
    builder = runtime.views.builder
    yield counter("bff_builds_total", "Builds of views.", _by("view", builder.built))
    yield counter("bff_build_failures_total", "Builds of views that failed.", _by("view", builder.failed))
    yield counter("bff_build_conflicts_total", "Builds made again, as somebody else was faster.", _by("view", builder.contended))


def _of_hub(hub: Hub) -> Iterator[Metric]:
    yield gauge("bff_subscriptions", "Views and live lists that are looked at, each as often as it is.", hub.subscriptions)
    yield gauge("bff_hub_reads_waiting", "Views that are looked at, and wait to be read.", hub.waiting)
    yield gauge("bff_hub_reads_failing", "Views and lists that are looked at, and cannot be read.", hub.failing)
    yield gauge("bff_channels", "Broadcast channels that are listened to.", len(hub.channels))
    yield gauge("bff_live_lists", "Distinct lists that are kept live.", hub.windows)
    yield gauge("bff_cached_views", "Views that are kept in memory for queries.", hub.cached)
    counts = hub.cache_counts
    hits = [({"of": what}, hit) for what, (hit, _) in counts.items()]
    misses = [({"of": what}, miss) for what, (_, miss) in counts.items()]
    yield counter("bff_cache_hits_total", "Views and lists that were known, and not read.", hits)
    yield counter("bff_cache_misses_total", "Views and lists that were read, as they were not known.", misses)


def _of_serving(graphql: GraphQLApp) -> Iterator[Metric]:
    sockets = graphql.websocket_handler
    yield gauge("bff_sockets", "Open WebSockets.", sockets.sockets)
    yield gauge("bff_socket_operations", "Operations on WebSockets whose last message is not sent yet.", sockets.operations)
    yield gauge("bff_socket_queued_bytes", "Text that waits for WebSocket clients that have not read.", sockets.queued_bytes)
    yield gauge("bff_streams", "Open event streams and multipart responses, also reserved ones.", graphql.http_handler.streams)


def _of_tally(tally: Tally, short: int) -> Iterator[Metric]:
    # Each answer of the short way is that of a query, 200.
    operations = dict(tally.operations) | {"query": tally.operations["query"] + short}
    yield counter("bff_operations_total", "Operations that were begun, over whatever transport.", _by("type", operations))
    responses = dict(tally.responses) | {("query", 200): tally.responses["query", 200] + short}
    answered = [({"type": kind, "status": str(status)}, count) for (kind, status), count in responses.items()]
    yield counter("bff_http_responses_total", "HTTP responses at the GraphQL path.", answered)
    yield counter("bff_errors_total", "Errors that clients were told of.", _by("code", tally.errors))
    yield counter("bff_limit_refusals_total", "What was refused or given up because of a limit.", _by("limit", tally.refusals))
    yield counter("bff_skipped_states_total", "States that no client was sent, as a newer one took their place.", tally.skipped)
    yield counter("bff_mutation_conflicts_total", "Units of work of mutations that were begun again.", tally.conflicts)


def _by(label: str, counts: Mapping[str, int]) -> list[Sample]:
    return [({label: name}, count) for name, count in counts.items()]
