"""OpenTelemetry spans, by its API alone: what records and exports them is the deployment's choice. Off, it costs nothing.

What one change comes to is spread over tasks and processes: the mutation commits, a projector builds, a relay announces, hubs
push. Each has a span of its own, linked to the one that it follows from. The two know of each other by the timepoint of a commit,
which both have at hand: so nothing is written or sent for the sake of a trace, and spans in different processes, which cannot be
linked in this way, still share their ``bff.timepoint``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final, TypeAlias

from bff.errors import SettingsError
from bff.types import Timepoint

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext, TracerProvider

__all__ = ["NO_TRACING", "Attributes", "Tracing", "open_tracing"]

Attributes: TypeAlias = Mapping[str, str | int]

REMEMBERED: Final = 4_096
MOST_LINKS: Final = 64
TIMEPOINT: Final = "bff.timepoint"


class Tracing:
    """What makes spans. This one makes none: ``open_tracing`` gives one that does."""

    enabled: bool = False

    def span(
        self, name: str, attributes: Attributes | None = None, *, follows: Iterable[Timepoint] | None = None
    ) -> AbstractContextManager[None]:
        """A span around the ``with``, linked to those that made the commits of these timepoints in this process.

        With ``follows``, be it empty, it is part of another span only where that is at work at this moment.
        """
        return nullcontext()

    def committed(self, timepoint: Timepoint) -> None:
        """What runs now has made this commit: the present span tells it, and what follows from it is linked to that."""

    def incoming(self, headers: Iterable[tuple[bytes, bytes]]) -> AbstractContextManager[None]:
        """Have spans within the ``with`` belong to the trace that a request comes with (``traceparent``)."""
        return nullcontext()


NO_TRACING: Final = Tracing()


class _OpenTelemetry(Tracing):
    enabled = True

    def __init__(self, provider: TracerProvider | None) -> None:
        from opentelemetry import context, propagate, trace

        self._trace, self._context, self._propagate = trace, context, propagate
        self._tracer = trace.get_tracer("bff", tracer_provider=provider)
        self._made: OrderedDict[Timepoint, SpanContext] = OrderedDict()

    @contextmanager
    def span(
        self, name: str, attributes: Attributes | None = None, *, follows: Iterable[Timepoint] | None = None
    ) -> Iterator[None]:
        followed = list(dict.fromkeys(follows or ()))[-MOST_LINKS:]
        links = [self._trace.Link(self._made[one], {TIMEPOINT: one}) for one in followed if one in self._made]
        late = [one for one in followed if one not in self._made]
        # A task that a request has started works for everybody: what it does is not part of that request.
        alone = follows is not None and not self._trace.get_current_span().is_recording()
        within = self._context.Context() if alone else None
        with self._tracer.start_as_current_span(name, context=within, attributes=attributes, links=links) as span:
            yield
            # A listener may tell of a commit before whoever made it has heard that it is made.
            for one in late:
                if one in self._made:
                    span.add_link(self._made[one], {TIMEPOINT: one})

    def committed(self, timepoint: Timepoint) -> None:
        span = self._trace.get_current_span()
        if not span.is_recording():
            return
        span.set_attribute(TIMEPOINT, timepoint)
        self._made[timepoint] = span.get_span_context()
        if len(self._made) > REMEMBERED:
            self._made.popitem(last=False)

    @contextmanager
    def incoming(self, headers: Iterable[tuple[bytes, bytes]]) -> Iterator[None]:
        # What an instrumentation of the server has begun already is nearer.
        if self._trace.get_current_span().get_span_context().is_valid:
            yield
            return
        carried = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        token = self._context.attach(self._propagate.extract(carried))
        try:
            yield
        finally:
            self._context.detach(token)


def open_tracing(provider: TracerProvider | None = None) -> Tracing:
    """Spans of this provider, or of the global one. Raises SettingsError where OpenTelemetry's API is not installed."""
    try:
        return _OpenTelemetry(provider)
    except ImportError as error:
        raise SettingsError(f"tracing: OpenTelemetry's API cannot be imported ({error}): pip install 'bff[otel]'") from None
