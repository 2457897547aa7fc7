"""A short soak: memory does not grow with what has been served. ``make soak`` takes 20 minutes."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.faults.campaign import APP, campaign, filled
from tests.faults.chaos import scaled
from tests.faults.healed import footprint, until_back_at
from tests.faults.inspected import REPORT
from tests.faults.soak import METERS, soak
from tests.serve import serve

logger = logging.getLogger(__name__)
pytestmark = [pytest.mark.anyio, pytest.mark.timeout(scaled(120, 3600))]

GROWTH = scaled(0.10, 0.05)


async def test_memory_does_not_grow_with_what_was_served(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'meters.db'}"
    await filled(url, METERS)
    with serve(url, APP, {REPORT: str(tmp_path / "report")}) as server:
        async with campaign(url, [server], METERS) as load:
            await load.progress(50)
        baseline = await footprint(server)
        soaked = await soak(server, url, seconds=scaled(7.0, 840.0), warm_up=scaled(4.0, 360.0))
        await until_back_at(server, baseline)
    logger.info(f"{soaked}: {soaked.growth:+.1%}")
    assert soaked.growth < GROWTH, soaked
