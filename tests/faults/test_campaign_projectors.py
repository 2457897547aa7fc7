"""Two projectors of one datastore, one of them frozen in the middle of a write: what it writes late must not win."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from bff.datastore.connect import open_datastore
from tests.faults.campaign import APP, campaign, filled
from tests.faults.chaos import scaled
from tests.faults.healed import metrics, stored_views
from tests.faults.inspected import REPORT
from tests.faults.killing import KILL, SIGNAL
from tests.serve import BffServer, serve

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(scaled(120, 3600))]


def is_frozen(server: BffServer) -> bool:
    return Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.mark.parametrize("number", scaled([8], list(range(5, 45, 2))))
async def test_what_a_frozen_projector_writes_late_is_refused(tmp_path: Path, number: int) -> None:
    url = f"sqlite:///{tmp_path / 'meters.db'}"
    await filled(url, 6)
    point = f"before {number} commit GroupPage _bff_unchecked _bff_views"
    with (
        serve(url, APP, {"BFF_ROLE": "projector", KILL: point, SIGNAL: "SIGSTOP", REPORT: str(tmp_path / "one")}) as late,
        serve(url, APP, {"BFF_ROLE": "projector"}),
        serve(url, APP, {"BFF_ROLE": "web"}) as web,
    ):
        async with campaign(url, [web]) as load:
            async with asyncio.timeout(30):
                while not await asyncio.to_thread(is_frozen, late):  # noqa: ASYNC110 - it stops itself
                    await asyncio.sleep(0.01)
            await load.progress(30)  # the other one builds on
            await asyncio.sleep(scaled(0.5, 10.0))
            await load.healed()
            async with open_datastore(url) as datastore:
                before = await stored_views(datastore)
                late.signal(signal.SIGCONT)
                async with asyncio.timeout(30):
                    # What it had built by then is not stored.
                    while not (await metrics(late)).get('bff_build_conflicts_total{view="GroupPage"}'):  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
                assert await stored_views(datastore) == before
            load.resume()
            await load.progress(10)
            await load.healed()
