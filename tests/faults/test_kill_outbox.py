"""``kill -9`` around every step of a mediator and of its outbox: what is written is written once, what is sent has one key."""

from __future__ import annotations

import signal
import socketserver
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bff.datastore.connect import open_datastore
from bff.model.outbox_entry import SENT
from bff.query import Query
from tests.faults.killed_run import Forker
from tests.faults.killing import KillPoint
from tests.faults.sending_run import ORDERS, Life

pytestmark = pytest.mark.anyio


class Receiver(socketserver.ThreadingTCPServer):
    """Another service: does what it is asked once for each key, and remembers every call."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.calls: list[tuple[str, int]] = []
        self.done: dict[str, int] = {}

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self.server_address[1]}"


class _Call(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server: Any = self.server
        key, amount = self.rfile.readline().split()
        server.calls.append((key.decode(), int(amount)))
        server.done.setdefault(key.decode(), int(amount))
        self.wfile.write(b"ok\n")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def forker() -> Iterator[Forker]:
    with Forker("tests.faults.sending_run") as running:
        yield running


async def check(url: str, receiver: Receiver) -> None:
    async with open_datastore(url) as datastore, datastore.snapshot() as snapshot:
        [account] = await snapshot.query(Query("accounts"))
        sent = await snapshot.query(Query(SENT))
        notes = await snapshot.query(Query("_bff_mediators"))
    data = dict(account.data or {})
    assert (data["purchases"], data["total"]) == (ORDERS, 111), "the handler took effect once for each"
    assert sorted(receiver.done.values()) == [1, 10, 100], "the receiver did it once for each"
    assert {document.id for document in sent} == set(receiver.done)
    assert len(notes) == ORDERS
    assert len(receiver.calls) <= ORDERS + 1, "only what was under way when the process died was sent again"


async def lives(forker: Forker, url: str, receiver: Receiver, place: Path, kill: str = "", trace: str = "") -> int:
    """One that may be cut short, and the next one; how the first ended."""
    log = place / "log"
    outcome = forker.run(Life(url, receiver.url, str(log), kill=kill, trace=trace))
    assert outcome in {0, -signal.SIGKILL}, log.read_text()[-4000:]
    assert forker.run(Life(url, receiver.url, str(log), buys=False)) == 0, log.read_text()[-4000:]
    await check(url, receiver)
    return outcome


STEPS = ("commit _bff_mediators _bff_outbox accounts", "commit _bff_outbox", "commit _bff_outbox _bff_sent")
POINTS = [KillPoint(phase, number, kind) for kind in STEPS for number in (1, 3) for phase in ("before", "after")]  # type: ignore[arg-type]


@pytest.mark.parametrize("point", POINTS, ids=str)
async def test_killed_around_any_step_it_is_done_once(
    forker: Forker, receiver: Receiver, tmp_path: Path, point: KillPoint
) -> None:
    outcome = await lives(forker, f"sqlite:///{tmp_path / 'shop.db'}", receiver, tmp_path, str(point))
    assert outcome == -signal.SIGKILL, "it was never at that point"


async def test_the_steps_are_those_that_there_are(forker: Forker, receiver: Receiver, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    await lives(forker, f"sqlite:///{tmp_path / 'shop.db'}", receiver, tmp_path, trace=str(trace))
    commits = Counter(line for line in trace.read_text().splitlines() if line.startswith("commit"))
    assert {kind for kind in commits if "_bff_projectors" not in kind} == set(STEPS)


async def test_killed_on_firestore_it_is_done_once(
    forker: Forker, receiver: Receiver, firestore_emulator: str, tmp_path: Path
) -> None:
    url = f"firestore://faults-{uuid.uuid4().hex[:12]}?emulator={firestore_emulator}"
    point = KillPoint("before", 2, "commit _bff_outbox _bff_sent")
    assert await lives(forker, url, receiver, tmp_path, str(point)) == -signal.SIGKILL
