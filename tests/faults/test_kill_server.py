"""``kill -9`` of a real ``bff serve`` while clients change and watch, then a restart of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.killing import KILL
from tests.faults.oracle import check
from tests.faults.script import Journal, play, seed
from tests.faults.served import NetworkClient, converged
from tests.serve import BffServer, serve

pytestmark = pytest.mark.anyio

SHOP = "tests.faults.killed_app:app"


class KillingJournal(Journal):
    """Kills the server when so many things have been noted, and is never asked to note more than that."""

    def __init__(self, path: Path, server: BffServer, at: int) -> None:
        super().__init__(path)
        self._server = server
        self._left = at

    def note(self, **what: Any) -> None:
        super().note(**what)
        self._left -= 1
        if self._left == 0:
            self._server.kill()


async def play_until_it_dies(server: BffServer, journal: Journal) -> None:
    with pytest.raises((httpx.TransportError, ConnectionError)):
        await play(NetworkClient(server.url), journal)


async def check_after_restart(server: BffServer, journal: Journal, url: str) -> None:
    server.kill()
    server.environment.pop(KILL, None)
    server.start()
    await play(NetworkClient(server.url), Journal(journal.path), ())
    await converged(url, lambda stored: check(journal, stored))


@pytest.mark.parametrize("point", ["after 3 commit customers orders products", "before 2 commit _bff_mediators ledgers receipts"])
async def test_killed_around_a_step(tmp_path: Path, point: str) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    await seed(url)
    journal = Journal(tmp_path / "journal")
    with serve(url, SHOP, {KILL: point}) as server:
        await play_until_it_dies(server, journal)
        await check_after_restart(server, journal, url)


@pytest.mark.parametrize("at", [8, 17, 30])
async def test_killed_while_the_answer_is_on_its_way(tmp_path: Path, at: int) -> None:
    """Whatever it is doing at the moment: a client kills it when it has noted so many requests, answers and states."""
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    await seed(url)
    with serve(url, SHOP) as server:
        journal = KillingJournal(tmp_path / "journal", server, at)
        await play_until_it_dies(server, journal)
        await check_after_restart(server, journal, url)
