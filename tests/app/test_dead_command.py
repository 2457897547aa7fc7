"""``bff dead``: what a shell sees of what is set aside, and its exit codes."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

import bff
from bff.datastore.connect import open_datastore
from bff.datastore.port import Set
from bff.model.outbox_entry import OutboxEntry
from bff.projection.handled import Handled, handled_path
from bff.testing.harness import AppHarness
from tests.app.test_cli import run

APP = """
from pathlib import Path

import bff
from bff import DomainModel, Mediator, effect, source


class Song(DomainModel, collection="songs"):
    title: str
    heard: int = 0


class Radio(Mediator):
    songs = source(Song)

    @songs.on_create
    def play(self, song: Song) -> None:
        if Path("silent").exists():
            raise RuntimeError("no sound")
        song.heard += 1


@effect
async def post(letter: str, key: str) -> None:
    if Path("silent").exists():
        raise RuntimeError("no post")
    Path("letters").write_text(f"{key} {letter}")


app = bff.App(views=[], mediators=[Radio], effects=[post])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "radio.py").write_text(APP)
    (tmp_path / "silent").touch()

    async def fill() -> None:
        async with open_datastore(f"sqlite:///{tmp_path / 'bff.db'}") as datastore:
            commit = await datastore.commit([Set("songs/a", {"objType": "Song", "title": "A", "heard": 0})])
            failed = Handled("Radio", "songs/a", 0).failed_at(commit.timepoint, "RuntimeError: no sound", commit.timepoint, 1)
            letter = OutboxEntry("k", "post", "Dear you").failed("RuntimeError: no post", commit.timepoint, 1)
            await datastore.commit([Set(handled_path("Radio", "songs/a"), failed.to_data()), Set(letter.path, letter.to_data())])

    asyncio.run(fill())
    return tmp_path


def dead(folder: Path, *words: str) -> tuple[int, str, str]:
    done: subprocess.CompletedProcess[str] = run(folder, "dead", words[0], "radio:app", *words[1:])
    return done.returncode, done.stdout, done.stderr


def test_list_show_and_retry(folder: Path) -> None:
    code, out, _ = dead(folder, "list")
    assert code == 0
    documents, effects = out.splitlines()
    assert documents.startswith("Radio songs/a: RuntimeError: no sound (1 attempt since 20")
    assert effects.startswith("post k: RuntimeError: no post (1 attempt since 20")
    code, out, _ = dead(folder, "show", "Radio", "songs/a")
    assert code == 0
    assert "'title': 'A'" in out
    code, out, _ = dead(folder, "retry", "Radio", "songs/a")
    assert (code, out) == (1, "Radio songs/a: RuntimeError: no sound\n")
    (folder / "silent").unlink()
    code, out, _ = dead(folder, "retry", "Radio")
    assert (code, out) == (0, "Radio songs/a: done\n")
    code, out, _ = dead(folder, "show", "post", "k")
    assert code == 0
    assert "'Dear you'" in out
    assert dead(folder, "retry", "post", "k")[:2] == (0, "post k: done\n")
    assert (folder / "letters").read_text() == "k Dear you"
    assert dead(folder, "list")[:2] == (0, "")
    assert dead(folder, "retry", "--all")[:2] == (0, "nothing is set aside\n")


def test_what_is_not_there_and_what_is_not_said(folder: Path) -> None:
    code, _, error = dead(folder, "show", "Radio", "songs/b")
    assert code == 1
    assert "Radio songs/b is not set aside" in error
    code, _, error = dead(folder, "retry")
    assert code == 1
    assert "say what to try again" in error
    code, _, error = dead(folder, "retry", "Radio", "songs/b")
    assert code == 1
    assert "nothing of it is set aside" in error


def test_replay_handles_everything_again_and_says_what_failed(folder: Path) -> None:
    (folder / "silent").unlink()
    assert dead(folder, "retry", "Radio")[0] == 0
    done = run(folder, "replay", "radio:app", "Radio")
    assert (done.returncode, done.stdout) == (0, "Radio: 1 handled again, 0 failed\n")
    (folder / "silent").touch()
    done = run(folder, "replay", "radio:app", "Radio")
    assert (done.returncode, done.stdout) == (1, "Radio: 0 handled again, 1 failed\n")
    assert done.stderr == "songs/a: RuntimeError: no sound\n"
    assert "there are: Radio" in run(folder, "replay", "radio:app", "Nobody").stderr


@pytest.mark.anyio
async def test_readyz_says_how_many_are_set_aside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    app = bff.App(views=[], effects=[bff.effect(name="post")(_post)])
    async with AppHarness(app, settings=bff.Settings(datastore_url=f"sqlite:///{folder / 'bff.db'}")) as running:
        checks = (await running.http.get("/readyz")).json()["checks"]
    assert checks["mediation"]["setAside"] == 1
    assert checks["outbox"]["setAside"] == 1


async def _post(letter: str, key: str) -> None: ...
