"""Two ``bff serve`` on one SQLite file: what changes through one reaches who looks at the other, whichever is killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bff.connection import connect
from tests.faults.bad_apps import Kettle
from tests.faults.served import NetworkClient
from tests.faults.test_bad_outages import APP, CUPS, cups, fill
from tests.serve import serve

pytestmark = pytest.mark.anyio


async def test_two_servers_on_one_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'kettles.db'}"
    async with connect(url):
        await Kettle(id="k1", name="Blue", litres=1).save()
    with serve(url, APP) as one, serve(url, APP) as other:
        first, second = NetworkClient(one.url), NetworkClient(other.url)
        async with second.watch(CUPS, {"key": "k1"}) as states:
            assert cups(await states.next()) == 4
            for litres in range(2, 12):
                assert (await first.execute(fill(litres)))["data"] == {"kettleFill": {"cups": litres * 4}}
            await states.until(lambda state: cups(state) == 44)

            one.kill()
            assert (await second.execute(fill(20)))["data"] == {"kettleFill": {"cups": 80}}
            await states.until(lambda state: cups(state) == 80)

            one.start()
            async with first.watch(CUPS, {"key": "k1"}) as mine:
                assert cups(await mine.next()) == 80
                other.kill()
                assert (await first.execute(fill(30)))["data"] == {"kettleFill": {"cups": 120}}
                await mine.until(lambda state: cups(state) == 120)
        other.start()
        assert await second.execute('{ kettleView(id: "k1") { cups } }') == {"data": {"kettleView": {"cups": 120}}}
