"""The Firestore emulator frozen, and killed and restarted, while clients write and look on."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from bff.connection import connect
from bff.testing.emulators import FirestoreEmulator, running_firestore_emulator
from tests.conftest import need
from tests.faults.campaign import APP, campaign, filled
from tests.faults.campaign_app import Group, Meter
from tests.faults.chaos import scaled
from tests.faults.healed import footprint, until_back_at
from tests.faults.inspected import REPORT
from tests.serve import serve

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(scaled(120, 1800))]


@pytest.fixture(scope="module")
def emulator() -> Iterator[FirestoreEmulator]:
    need("gcloud", "the Firestore emulator is started through it")
    with running_firestore_emulator() as running:
        yield running


def address(emulator: FirestoreEmulator) -> str:
    return f"firestore://campaign-{uuid.uuid4().hex[:12]}?emulator={emulator.host}"


async def test_it_is_frozen_and_goes_on(tmp_path: Path, emulator: FirestoreEmulator) -> None:
    url = address(emulator)
    await filled(url, 4)
    with serve(url, APP, {REPORT: str(tmp_path / "report")}) as server:
        async with campaign(url, [server], 4) as load:
            await load.progress(20)
            await load.healed()
        baseline = await footprint(server)
        for seconds in scaled([2.0], [2.0, 10.0, 30.0]):
            async with campaign(url, [server], 4) as load:
                emulator.pause()
                await asyncio.sleep(seconds)
                emulator.resume()
                await load.progress(20, seconds=90)
                await load.healed(90)
        await until_back_at(server, baseline)


@pytest.mark.parametrize("seconds", scaled([0.5], [0.5, 5.0, 45.0]))
async def test_it_is_killed_and_comes_back_empty(tmp_path: Path, emulator: FirestoreEmulator, seconds: float) -> None:
    """The emulator forgets everything: its documents are written again, as they were, and the views follow."""
    url = address(emulator)
    await filled(url, 4)
    with serve(url, APP, {REPORT: str(tmp_path / "report")}) as server:
        async with campaign(url, [server], 4) as load:
            await load.progress(20)
            await load.healed()
        baseline = await footprint(server)
        async with campaign(url, [server], 4) as load:
            await load.progress(20)
            await load.pause()
            load.may_be_gone(True)
            emulator.kill()
            await asyncio.sleep(seconds)
            await asyncio.to_thread(emulator.start)
            async with connect(url):
                for number in range(2):
                    await Group(id=f"g{number}", name=f"group {number}").save()
                for number, writer in enumerate(load.writers):
                    await Meter(id=writer.id, group=f"g{number % 2}", count=writer.count).save()
            load.resume()
            await load.progress(20, seconds=90)
            await load.healed(90)
        await until_back_at(server, baseline)
