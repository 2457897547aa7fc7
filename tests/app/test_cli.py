"""The ``bff`` command, as a shell sees it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from graphql import build_schema

import bff
from bff.testing.harness import AppHarness

APP = """
import bff
from bff import DomainModel, Store, ViewModel, field, reference


class Song(DomainModel, collection="songs"):
    title: str
    seconds: int = 0


class SongStore(Store):
    song = reference(Song)


class SongView(ViewModel):
    store: SongStore

    @field
    def label(self) -> str:
        return f"{self.store.song.title} ({60 // self.store.song.seconds} a minute)"


app = bff.App(views=[SongView])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "songs.py").write_text(APP)
    return tmp_path


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The console script, in a folder, as a user runs it."""
    script = Path(sys.executable).with_name("bff")
    return subprocess.run([script, *words], cwd=folder, capture_output=True, text=True, timeout=60)


def fill(folder: Path) -> None:
    """Two songs; the view of one of them cannot be built."""
    program = (
        "import asyncio, bff, songs\n"
        "async def fill():\n"
        "    async with bff.connect('sqlite:///bff.db'):\n"
        "        await songs.Song(id='a', title='A', seconds=30).save()\n"
        "        await songs.Song(id='b', title='B').save()\n"
        "asyncio.run(fill())\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True, timeout=60)


def test_schema_print_writes_sdl_that_is_the_same_each_time(folder: Path) -> None:
    first, second = run(folder, "schema", "print", "songs:app"), run(folder, "schema", "print", "songs:app", "-o", "out.graphql")
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stdout == (folder / "out.graphql").read_text()
    assert "songView" in build_schema(first.stdout).query_type.fields  # type: ignore[union-attr]
    assert not (folder / "bff.db").exists(), "printing opens no datastore"


def test_rebuild_builds_everything_and_says_what_failed(folder: Path) -> None:
    fill(folder)
    done = run(folder, "rebuild", "songs:app")
    assert done.returncode == 1
    assert "SongView: 1 built, 1 failed" in done.stdout
    assert "bff doctor says why" in done.stderr


def test_doctor_shows_the_view_that_cannot_be_built_and_its_exception(folder: Path) -> None:
    fill(folder)
    run(folder, "rebuild", "songs:app")
    done = run(folder, "doctor", "songs:app")
    assert done.returncode == 1
    assert "✗ SongView b: " in done.stdout
    assert "ZeroDivisionError" in done.stdout
    assert "✓ datastore: sqlite:///bff.db" in done.stdout


def test_doctor_is_content_with_a_healthy_deployment(folder: Path) -> None:
    program = (
        "import asyncio, songs\n"
        "async def once():\n"
        "    async with songs.app.running() as runtime:\n"
        "        await runtime.projector.wait_for(await runtime.datastore.ping(), 30)\n"
        "        await runtime.projector.rebuild()\n"
        "asyncio.run(once())\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True, timeout=60)
    done = run(folder, "doctor", "songs:app")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✗" not in done.stdout


def test_rebuild_of_an_unknown_view_says_which_there_are(folder: Path) -> None:
    done = run(folder, "rebuild", "songs:app", "Sonata")
    assert done.returncode == 1
    assert done.stderr.strip() == "bff: no view is called Sonata; there are SongView"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("songs", "name the app as module:attribute"),
        ("nowhere:app", "there is no module 'nowhere'"),
        ("songs:nothing", "not a bff.App"),
        ("songs:Song", "not a bff.App"),
    ],
)
def test_an_app_that_is_not_there_is_one_line(folder: Path, path: str, message: str) -> None:
    for command in (["serve"], ["doctor"], ["rebuild"], ["schema", "print"]):
        done = run(folder, *command, path)
        assert done.returncode == 1
        assert message in done.stderr
        assert done.stderr.count("\n") == 1


def test_an_app_serves_again_what_it_wrote_before(tmp_path: Path) -> None:
    """One file, two lives."""

    class Note(bff.DomainModel, collection="notes"):
        text: str

    class NoteStore(bff.Store):
        note = bff.reference(Note)

    class NoteView(bff.ViewModel):
        store: NoteStore

        @bff.field
        def text(self) -> str:
            return self.store.note.text

    app = bff.App(views=[NoteView])
    settings = bff.Settings(datastore_url=f"sqlite:///{tmp_path / 'notes.db'}")

    async def first_life() -> dict[str, object]:
        async with AppHarness(app, settings=settings) as running:
            await Note(id="n", text="kept").save()
            await running.settled()
            return await running.execute('{ noteView(id: "n") { version text } }')

    async def second_life() -> dict[str, object]:
        async with AppHarness(app, settings=settings) as running:
            return await running.execute('{ noteView(id: "n") { version text } }')

    assert asyncio.run(first_life()) == asyncio.run(second_life())
