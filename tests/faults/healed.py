"""The oracle of the fault campaigns: what must be so once a fault has healed, whatever it was."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bff.datastore.connect import open_datastore
from bff.datastore.port import Datastore, Set
from bff.datastore.sqlite.readers import IDLE_CONNECTIONS
from bff.model.view_model import ViewModel
from bff.projection.rebuild import rebuild
from bff.query import Query
from tests.faults.campaign_app import GroupPage, MeterPage
from tests.faults.inspected import REPORT
from tests.serve import BffServer

__all__ = ["Footprint", "Seen", "footprint", "from_scratch", "is_as_from_scratch", "metrics", "stored_views", "until_back_at"]

VIEWS: tuple[type[ViewModel], ...] = (MeterPage, GroupPage)
DOMAIN = ("groups", "meters")

Views = dict[str, dict[str, Any]]
"""Data by path."""


@dataclass
class Seen:
    """What one client was told of one view. Raises AssertionError as soon as it is told something that cannot be."""

    view: str
    key: str
    version: int = 0
    content: Mapping[str, Any] | None = None
    states: int = 0
    connections: int = 0
    fresh: bool = True
    may_be_gone: bool = False
    """The datastore forgets everything: until it is told of it, it is gone for a while."""

    def connected(self) -> None:
        """It begins to look anew: the first state may be the one that it saw last."""
        self.connections += 1
        self.fresh = True

    def saw(self, state: Mapping[str, Any] | None) -> None:
        if state is None:
            assert self.may_be_gone, f"{self.view} {self.key} was gone, and never was"
            self.content = None
            return
        version, content = int(state["version"]), {name: value for name, value in state.items() if name != "version"}
        if version == self.version and self.fresh:
            assert content == self.content, f"{self.view} {self.key} had two contents in version {version}"
        else:
            assert version > self.version, f"{self.view} {self.key} went from {self.version} to {version}, fresh: {self.fresh}"
        self.version, self.content, self.fresh = version, content, False
        self.states += 1

    def shows(self, stored: Views) -> bool:
        """Whether the last state it was told is the one that is stored."""
        page = stored.get(f"{self.view}/{self.key}")
        return page is not None and self.version == page["version"] and self.content == _content(page)


async def stored_views(datastore: Datastore) -> Views:
    async with datastore.snapshot() as snapshot:
        return {
            document.path: dict(document.data or {})
            for view in VIEWS
            for document in await snapshot.query(Query(view.__view__.collection))
        }


async def from_scratch(datastore: Datastore) -> Views:
    """Every view, built from a copy of the documents in a datastore that has nothing else."""
    async with datastore.snapshot() as snapshot:
        documents = [document for collection in DOMAIN for document in await snapshot.query(Query(collection))]
    async with open_datastore("sqlite://") as empty:
        for start in range(0, len(documents), 200):
            await empty.commit([Set(one.path, one.data or {}) for one in documents[start : start + 200]])
        progress = await rebuild(empty, VIEWS)
        assert not sum(one.failed for one in progress)
        return await stored_views(empty)


async def is_as_from_scratch(url: str, clients: Iterable[Seen] = (), seconds: float = 40.0) -> None:
    """Wait until every stored view, and what each client saw last, is what a build from scratch comes to.

    Nobody writes any more. Raises AssertionError with what is still wrong.
    """
    clients = list(clients)
    wrong = ""
    try:
        async with asyncio.timeout(seconds), open_datastore(url) as datastore:
            while True:
                stored, fresh = await stored_views(datastore), await from_scratch(datastore)
                wrong = _different(stored, fresh) or _behind(stored, clients)
                if not wrong:
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(wrong or "the datastore did not answer") from None


def _different(stored: Views, fresh: Views) -> str:
    for path in sorted({*stored, *fresh}):
        one, other = stored.get(path), fresh.get(path)
        if one is None or other is None or _stripped(one) != _stripped(other):
            return f"{path} is stored as {one}, and from scratch it is {other}"
    return ""


def _behind(stored: Views, clients: Iterable[Seen]) -> str:
    for seen in clients:
        if not seen.shows(stored):
            return f"{seen} is behind {stored.get(f'{seen.view}/{seen.key}')}"
    return ""


def _content(page: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in page.items() if name not in {"version", "objType"}}


_stripped = _content


@dataclass(frozen=True)
class Footprint:
    """What a server takes at a moment. ``rss`` in bytes; ``database`` are the files of SQLite's connections.

    ``blocks`` of memory are what its objects hold; the allocator keeps more of it, for the next ones.
    """

    tasks: Counter[str]
    generators: Counter[str]
    files: int
    database: int
    sockets: int
    rss: int
    blocks: int
    calls: Counter[str]

    def beyond(self, baseline: Footprint) -> str:
        """What is more than it was, of what has to go back to where it was; nothing, if nothing is."""
        tasks, generators = self.tasks - baseline.tasks, self.generators - baseline.generators
        parts = [f"tasks {dict(tasks)}" if tasks else "", f"generators {dict(generators)}" if generators else ""]
        parts.append(f"{self.files} files for {baseline.files}" if self.files > baseline.files else "")
        # SQLite's idle connections are kept, up to a bound, each with the file and its log.
        most = baseline.database + 2 * IDLE_CONNECTIONS
        parts.append(f"{self.database} files of the database for {baseline.database}" if self.database > most else "")
        parts.append(f"{self.sockets} sockets for {baseline.sockets}" if self.sockets > baseline.sockets else "")
        return ", ".join(filter(None, parts))


async def footprint(server: BffServer) -> Footprint:
    """Ask a server that was started with FAULTS_REPORT. Raises TimeoutError."""
    return await asyncio.to_thread(_footprint, server)


def _footprint(server: BffServer) -> Footprint:
    report = Path(server.environment[REPORT])
    report.unlink(missing_ok=True)
    server.signal(signal.SIGUSR1)
    until = time.monotonic() + 20
    while not report.exists():
        if time.monotonic() > until:
            raise TimeoutError(f"{server.app} does not say what it has")
        time.sleep(0.01)
    told = json.loads(report.read_text())
    process = Path(f"/proc/{server.pid}")
    links = []
    for name in os.listdir(process / "fd"):
        try:
            links.append(os.readlink(process / "fd" / name))
        except FileNotFoundError:
            continue
    resident = re.search(r"VmRSS:\s+(\d+) kB", (process / "status").read_text())
    assert resident is not None
    sockets = sum(link.startswith("socket:") for link in links)
    database = sum(".db" in link for link in links)
    return Footprint(
        Counter(told["tasks"]),
        Counter(told["generators"]),
        len(links) - sockets - database,
        database,
        sockets,
        int(resident[1]) * 1024,
        told["blocks"],
        Counter(told["calls"]),
    )


async def until_back_at(server: BffServer, baseline: Footprint, seconds: float = 15.0) -> Footprint:
    """Wait until the server takes no more than it did. Raises AssertionError with what it still has."""
    beyond = ""
    try:
        async with asyncio.timeout(seconds):
            while beyond := (now := await footprint(server)).beyond(baseline):  # noqa: ASYNC110 - there is nothing to wait on
                await asyncio.sleep(0.1)
            return now
    except TimeoutError:
        raise AssertionError(f"it still has {beyond}") from None


async def metrics(server: BffServer) -> dict[str, float]:
    """What ``/metrics`` says, by the name with its labels."""
    async with httpx.AsyncClient(timeout=20) as http:
        text = (await http.get(f"{server.url}/metrics")).text
    lines = [line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}
