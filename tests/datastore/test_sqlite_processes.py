"""Several processes on one file, and processes that die."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from pathlib import Path

import pytest

from bff.datastore.port import Set, Target
from bff.datastore.sqlite.datastore import SQLiteDatastore
from bff.query import Query
from bff.testing.datastore_case import PATIENCE, Follower, data_of, query
from bff.testing.datastore_conditions import increment

pytestmark = pytest.mark.anyio

OTHER = """
import asyncio, json, sys
from bff.datastore.port import Set, Target
from bff.datastore.sqlite.datastore import SQLiteDatastore
from bff.testing.datastore_case import Follower
from bff.testing.datastore_conditions import increment

async def both(path):
    async with SQLiteDatastore(path) as datastore, datastore.listen([Target("users")]) as listening:
        follower = Follower(listening)
        await follower.step()
        print("ready", flush=True)
        for n in range(30):
            await datastore.commit([Set(f"users/theirs{n}", {"n": n})])
            await increment(datastore, "counters/c")
        while sum(path.startswith("users/") for path in follower.present()) < 60:
            await follower.step()
        print(json.dumps(sorted(follower.present())), flush=True)

async def write(path):
    async with SQLiteDatastore(path) as datastore:
        n = 0
        while True:
            n += 1
            log = Set(f"log/{n:06}", {"n": n, "t": [n, "all"]})
            await datastore.commit([Set("left/x", {"n": n}), Set("right/x", {"n": n}), log])
            print(n, flush=True)

asyncio.run(globals()[sys.argv[1]](sys.argv[2]))
"""


async def start(role: str, path: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-c", OTHER, role, str(path), stdout=asyncio.subprocess.PIPE)


async def test_two_processes_write_and_both_hear_everything(tmp_path: Path) -> None:
    path = tmp_path / "city.db"
    other = await start("both", path)
    assert other.stdout is not None
    try:
        async with asyncio.timeout(2 * PATIENCE), SQLiteDatastore(path) as datastore:
            assert await other.stdout.readline() == b"ready\n"
            async with datastore.listen([Target("users")]) as listening:
                follower = Follower(listening)
                await follower.step()
                for n in range(30):
                    await datastore.commit([Set(f"users/ours{n}", {"n": n})])
                    await increment(datastore, "counters/c")
                while len(follower.present()) < 60:
                    await follower.step()
                theirs = json.loads(await other.stdout.readline())
            assert theirs == sorted(follower.present())
            assert await other.wait() == 0
            assert await data_of(datastore, "counters/c") == {"count": 60}
    finally:
        if other.returncode is None:
            other.kill()
            await other.wait()


@pytest.mark.parametrize("after", [1, 7, 40])
async def test_a_process_that_is_killed_while_it_writes_leaves_all_it_acknowledged_and_nothing_half(
    tmp_path: Path, after: int
) -> None:
    path = tmp_path / "city.db"
    other = await start("write", path)
    assert other.stdout is not None
    acknowledged = 0
    async with asyncio.timeout(2 * PATIENCE):
        while acknowledged < after:
            acknowledged = int(await other.stdout.readline())
        other.kill()
        for line in (await other.stdout.read()).split(b"\n")[:-1]:
            acknowledged = int(line)
        await other.wait()
        async with SQLiteDatastore(path) as datastore:
            left, right = await data_of(datastore, "left/x"), await data_of(datastore, "right/x")
            logged = await query(datastore, Query("log"))
            assert left == right
            assert left is not None
            assert left["n"] == len(logged)
            assert len(logged) >= acknowledged
            await datastore.commit([Set("left/x", {"n": -1})])
    checking = sqlite3.connect(path)
    assert checking.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    [[entries]] = checking.execute(
        "SELECT count(*) FROM entries AS e JOIN documents AS d ON d.id = e.document AND d.path = e.path"
    )
    assert checking.execute("SELECT count(*) FROM entries").fetchone() == (entries,)
    checking.close()
