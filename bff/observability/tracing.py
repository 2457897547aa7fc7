"""OpenTelemetry spans, by its API alone: what records and exports them is the deployment's choice. Off, it costs nothing.

What one change comes to is spread over tasks and processes: the mutation commits, a projector builds, a relay announces, hubs
push. Each has a span of its own, linked to the one that it follows from. The two know of each other by the timepoint of a commit,
which both have at hand, so that nothing is written for the sake of a trace:

- Within a process it is remembered which span has made a commit.
- What is published anyway carries the ``traceparent`` (https://www.w3.org/TR/trace-context/) of the build, or of the relay.
- Otherwise a span is linked to the trace of the commit, whose ids follow from its timepoint alone. In it there is one span,
  ``bff.committed``, of whoever made the commit, linked to the span that did.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from hashlib import sha256
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
TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


class Tracing:
    """What makes spans. This one makes none: ``open_tracing`` gives one that does."""

    enabled: bool = False

    def span(
        self, name: str, attributes: Attributes | None = None, *, follows: Iterable[Timepoint] | None = None
    ) -> AbstractContextManager[None]:
        """A span around the ``with``, linked to those that made the commits of these timepoints.

        With ``follows``, be it empty, it is part of another span only where that is at work at this moment.
        """
        return nullcontext()

    def committed(self, timepoint: Timepoint) -> None:
        """What runs now has made this commit: the present span tells it, and what follows from it is linked to that."""

    def carried_by(self, timepoint: Timepoint) -> str | None:
        """The ``traceparent`` to send with the news of a commit: of the span that has made it, else of the present one."""
        return None

    def arrived(self, timepoint: Timepoint, traceparent: str) -> None:
        """News of a commit came with this: what follows from it is linked to that. What is no ``traceparent`` is ignored."""

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
            # A listener may tell of a commit before whoever made it has heard that it is made. Others' are found by their time.
            for one in late:
                span.add_link(self._made.get(one) or self._of_commit(one), {TIMEPOINT: one})

    def committed(self, timepoint: Timepoint) -> None:
        span = self._trace.get_current_span()
        if not span.is_recording():
            return
        span.set_attribute(TIMEPOINT, timepoint)
        made = span.get_span_context()
        if self._made.get(timepoint) == made:
            return  # one commit of several views
        self._remember(timepoint, made)
        trace = self._trace.NonRecordingSpan(self._of_commit(timepoint, sampled=made.trace_flags.sampled))
        told = {TIMEPOINT: timepoint}
        links = [self._trace.Link(made, told)]
        within = self._trace.set_span_in_context(trace, self._context.Context())
        self._tracer.start_span("bff.committed", context=within, attributes=told, links=links).end()

    def carried_by(self, timepoint: Timepoint) -> str | None:
        context = self._made.get(timepoint) or self._trace.get_current_span().get_span_context()
        if not context.is_valid:
            return None
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def arrived(self, timepoint: Timepoint, traceparent: str) -> None:
        found = TRACEPARENT.fullmatch(traceparent)
        if found is None or timepoint in self._made:
            return
        trace_id, span_id, flags = (int(part, 16) for part in found.groups())
        context = self._trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=self._trace.TraceFlags(flags))
        if context.is_valid:
            self._remember(timepoint, context)

    def _remember(self, timepoint: Timepoint, context: SpanContext) -> None:
        self._made[timepoint] = context
        if len(self._made) > REMEMBERED:
            self._made.popitem(last=False)

    def _of_commit(self, timepoint: Timepoint, *, sampled: bool = False) -> SpanContext:
        """The trace of a commit, and the span in it that is never recorded: the same ids in every process."""
        digest = sha256(f"bff commit {timepoint}".encode()).digest()
        trace_id, span_id = int.from_bytes(digest[:16]), int.from_bytes(digest[16:24])
        return self._trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=self._trace.TraceFlags(sampled))

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
