"""What the machine does to a server: a disk that is full, a clock that is moved, an event loop that stands still."""

from __future__ import annotations

import asyncio
import resource
import signal
from pathlib import Path

import pytest

from tests.faults.campaign import APP, campaign, filled
from tests.faults.chaos import scaled
from tests.faults.healed import footprint, until_back_at
from tests.faults.inspected import BLOCK, CLOCK, REPORT
from tests.faults.served import NetworkClient
from tests.serve import serve

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(scaled(120, 3600))]

HOUR = 3_600
FULL = 96 * 1024
"""No file may grow beyond this: SQLite is told what it is told by a full disk, where it appends to its log."""

NO_LIMIT = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


async def test_the_disk_is_full(tmp_path: Path) -> None:
    """What cannot be written is refused and never in half; once there is room, all goes on by itself."""
    url = f"sqlite:///{tmp_path / 'meters.db'}"
    await filled(url, 6)
    with serve(url, APP, {REPORT: str(tmp_path / "report")}) as server:
        async with campaign(url, [server]) as load:
            await load.progress(20)
        baseline = await footprint(server)
        for _ in range(scaled(2, 50)):
            async with campaign(url, [server]) as load:
                resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (FULL, resource.RLIM_INFINITY))
                async with asyncio.timeout(60):
                    while load.retried < 20:  # noqa: ASYNC110 - there is nothing to wait on
                        await asyncio.sleep(0.02)
                resource.prlimit(server.pid, resource.RLIMIT_FSIZE, NO_LIMIT)
                await load.progress(20)
                await load.healed()
        await until_back_at(server, baseline)
        await NetworkClient(server.url).until_ready(lambda status, body: status == 200)


async def test_the_clock_is_moved_by_an_hour_and_back(tmp_path: Path) -> None:
    """Versions rise all the same: a commit is never before the one that it follows."""
    url, clock = f"sqlite:///{tmp_path / 'meters.db'}", tmp_path / "clock"
    await filled(url, 6)
    with serve(url, APP, {REPORT: str(tmp_path / "report"), CLOCK: str(clock)}) as server:
        async with campaign(url, [server]) as load:
            for hours in scaled((1, 0, -1), (1, 0, -1) * 20):
                clock.write_text(str(hours * HOUR))
                server.signal(signal.SIGHUP)
                await load.progress(40)
            await load.healed()
            server.kill()  # one whose clock is an hour behind those versions begins where they are
            await asyncio.to_thread(server.start)
            load.resume()
            await load.progress(20)
            await load.healed()


async def test_the_event_loop_stands_still(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'meters.db'}"
    await filled(url, 6)
    environment = {REPORT: str(tmp_path / "report"), BLOCK: "5", "BFF_LIMITS__PING_SECONDS": "2"}
    with serve(url, APP, environment) as server:
        async with campaign(url, [server]) as load:
            await load.progress(20)
        baseline = await footprint(server)
        async with campaign(url, [server]) as load:
            for _ in range(scaled(1, 20)):
                server.signal(signal.SIGUSR2)
                await load.progress(20)
            await load.healed()
        await until_back_at(server, baseline)
