"""Spans: from the mutation to what clients are sent because of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bff import App, DomainModel, Store, ViewModel, field, mutation, reference
from bff.broadcast.port import Message
from bff.errors import SettingsError
from bff.live.announcement import Announcement
from bff.observability import tracing as module
from bff.observability.tracing import NO_TRACING, Tracing, open_tracing
from bff.settings import Settings
from bff.testing.harness import AppHarness
from bff.values import dump_document

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


def trace_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.trace_id


def traces(span: ReadableSpan) -> set[int]:
    return {link.context.trace_id for link in span.links}


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


@asynccontextmanager
async def playing(role: str, url: str, redis_url: str) -> AsyncIterator[AppHarness]:
    settings = Settings(datastore_url=url, broadcast_url=redis_url, tracing=True, role=role)  # type: ignore[arg-type]
    async with AppHarness(App(views=[BellView]), settings=settings) as running:
        yield running


async def test_from_process_to_process(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each role has spans of its own, and knows of the others' only what is stored and published anyway."""
    exporters = [InMemorySpanExporter() for _ in range(3)]
    of_projector, of_relay, of_web = exporters
    opened = iter(exporters)

    def opening() -> Tracing:
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(next(opened)))
        return open_tracing(provider)

    monkeypatch.setattr("bff.served.open_tracing", opening)
    url = f"sqlite:///{tmp_path / 'bff.db'}"
    async with (
        playing("projector", url, redis_url) as projecting,
        playing("relay", url, redis_url),
        playing("web", url, redis_url) as running,
    ):
        await Bell(id="b1").save()
        await projecting.settled()
        async with running.watch('subscription { bellView(id: "b1") { rung } }') as states:
            await states.next()
            answer = await running.execute('mutation { bellRing(id: "b1") { __typename } }')
            assert "errors" not in answer
            await states.until(lambda state: state["data"]["bellView"]["rung"] == 1)
        await projecting.settled()

    [commit] = named(of_web.get_finished_spans(), "bff.commit")
    [committed] = [one for one in named(of_web.get_finished_spans(), "bff.committed") if id_of(commit) in linked(one)]
    [built] = [one for one in named(of_projector.get_finished_spans(), "bff.build") if trace_of(committed) in traces(one)]
    [written] = [one for one in named(of_projector.get_finished_spans(), "bff.committed") if id_of(built) in linked(one)]
    [announced] = [one for one in named(of_relay.get_finished_spans(), "bff.announce") if trace_of(written) in traces(one)]
    [pushed] = [one for one in named(of_web.get_finished_spans(), "bff.push") if id_of(announced) in linked(one)]
    assert trace_of(pushed) not in {trace_of(commit), trace_of(announced)}, "linked: each has its own sampling"


async def test_news_carry_what_made_them_and_nothing_where_nobody_traces() -> None:
    provider = TracerProvider()
    made, elsewhere = open_tracing(provider), open_tracing(provider)
    with made.span("build"):
        built = trace.get_current_span().get_span_context()
        made.committed(7)
    carried = made.carried_by(7)
    assert carried == f"00-{built.trace_id:032x}-{built.span_id:016x}-{built.trace_flags:02x}"
    assert made.carried_by(8) is None
    assert NO_TRACING.carried_by(7) is None

    told = Announcement("b1", 6, {"id": "b1"}, committed=7, trace=carried)
    assert Announcement.from_message(told.to_message(1_000)).trace == carried
    assert Announcement.from_message(told.to_message(1)).trace == carried, "a hint as well"
    assert b"trace" not in Announcement("b1", 6, {"id": "b1"}, committed=7).to_message(1_000).payload
    assert Announcement.from_message(Message("b1", dump_document({"version": 6, "trace": 5}))).trace is None

    for nonsense in ("", "00-nonsense", f"00-{0:032x}-{1:016x}-01", f"00-{1:032x}-{0:016x}-01"):
        elsewhere.arrived(7, nonsense)
        assert elsewhere.carried_by(7) is None
    elsewhere.arrived(7, carried or "")
    assert elsewhere.carried_by(7) == carried


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
    assert len(built.links) == module.MOST_LINKS
    in_this_process = [link.attributes["bff.timepoint"] for link in built.links if link.attributes and not link.context.is_remote]
    assert in_this_process == list(range(90, 100))


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
