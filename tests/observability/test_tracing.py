"""Spans: from the mutation to what clients are sent because of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bff import App, DomainModel, Store, ViewModel, field, mutation, reference
from bff.errors import SettingsError
from bff.observability import tracing as module
from bff.observability.tracing import NO_TRACING, open_tracing
from bff.settings import Settings
from bff.testing.harness import AppHarness

pytestmark = pytest.mark.anyio

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}


class Bell(DomainModel, collection="bells"):
    rung: int = 0

    @mutation
    def ring(self) -> None:
        self.rung += 1


class BellStore(Store):
    bell = reference(Bell)


class BellView(ViewModel):
    store: BellStore

    @field
    def rung(self) -> int:
        return self.store.bell.rung


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What is recorded by an app whose settings say that it traces."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("bff.served.open_tracing", lambda: open_tracing(provider))
    yield exporter
    provider.shutdown()


def named(spans: Sequence[ReadableSpan], name: str) -> list[ReadableSpan]:
    return [span for span in spans if span.name == name]


def linked(span: ReadableSpan) -> set[int]:
    return {link.context.span_id for link in span.links}


def id_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


async def test_from_the_mutation_to_the_push(spans: InMemorySpanExporter) -> None:
    async with AppHarness(App(views=[BellView]), settings=Settings(datastore_url="sqlite://", tracing=True)) as running:
        await Bell(id="b1").save()
        await running.settled()
        async with running.watch('subscription { bellView(id: "b1") { rung } }') as states:
            await states.next()
            spans.clear()
            answer = await running.execute('mutation Ring { bellRing(id: "b1") { __typename } }', headers=PARENT)
            assert "errors" not in answer
            await states.until(lambda state: state["data"]["bellView"]["rung"] == 1)
            await running.settled()
        recorded = spans.get_finished_spans()
    [mutating] = named(recorded, "bff.mutation")
    assert mutating.context is not None
    assert format(mutating.context.trace_id, "032x") == TRACE, "of the trace that the request came with"
    assert mutating.attributes == {"graphql.operation.name": "Ring"}
    [commit] = named(recorded, "bff.commit")
    assert commit.parent is not None
    assert commit.parent.span_id == id_of(mutating)
    assert commit.attributes is not None
    [built] = [span for span in named(recorded, "bff.build") if id_of(commit) in linked(span)]
    assert built.attributes is not None
    assert built.attributes["bff.view"] == "BellView"
    assert built.links[0].attributes == {"bff.timepoint": commit.attributes["bff.timepoint"]}
    pushes = named(recorded, "bff.push")
    assert any(id_of(built) in linked(push) or (push.parent and push.parent.span_id == id_of(built)) for push in pushes)
    assert all(push.attributes and push.attributes["bff.watched"] == 1 for push in pushes)


async def test_a_span_of_the_server_is_nearer_than_the_header(spans: InMemorySpanExporter) -> None:
    provider = TracerProvider()
    made = open_tracing(provider)
    given = [(b"traceparent", PARENT["traceparent"].encode())]
    with trace.get_tracer("server", tracer_provider=provider).start_as_current_span("GET /") as server, made.incoming(given):
        assert trace.get_current_span() is server
    with made.incoming(given):
        assert format(trace.get_current_span().get_span_context().trace_id, "032x") == TRACE
    with made.incoming([(b"traceparent", b"00-nonsense")]):
        assert not trace.get_current_span().get_span_context().is_valid
    assert not trace.get_current_span().get_span_context().is_valid


async def test_what_is_remembered_of_commits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 10)
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    made = open_tracing(provider)
    for timepoint in range(1, 100):
        with made.span("commit"):
            made.committed(timepoint)
    exporter.clear()
    with made.span("build", follows=range(1, 100)):
        pass
    [built] = exporter.get_finished_spans()
    assert [link.attributes and link.attributes["bff.timepoint"] for link in built.links] == list(range(90, 100))


def test_off_nothing_is_imported_or_recorded() -> None:
    program = (
        "import sys, bff.served\n"
        "from bff.observability.tracing import NO_TRACING\n"
        "with NO_TRACING.span('x'): NO_TRACING.committed(1)\n"
        "loaded = [name for name in sys.modules if name.startswith('opentelemetry.sdk')]\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert not NO_TRACING.enabled


async def test_without_the_api_the_setting_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(SettingsError, match=r"pip install 'bff\[otel\]'"):
        async with AppHarness(App(views=[BellView]), settings=Settings(datastore_url="sqlite://", tracing=True)):
            pass
