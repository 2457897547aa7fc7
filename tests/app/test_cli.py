"""The ``bff`` command, as a shell sees it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from graphql import build_schema

import bff
from bff.serving.manifest import read_manifest
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
        ("songs:nothing", "there is no 'nothing' in songs"),
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


@pytest.fixture
def client(folder: Path) -> Path:
    """A client's source: two operations that share a fragment from another file, which has one that nobody uses."""
    source = folder / "src" / "parts"
    source.mkdir(parents=True)
    (source / "label.graphql").write_text("fragment Label on SongView { label }\nfragment Unused on SongView { id }\n")
    (source.parent / "songs.graphql").write_text("# All of them.\nquery Songs { songViews { edges { node { ...Label } } } }\n")
    (source.parent / "one.graphql").write_text("query One($id: ID!) { songView(id: $id) { id, ...Label } }\n")
    return folder


def test_persist_writes_a_manifest_that_is_served(client: Path) -> None:
    done = run(client, "persist", "songs:app", "src/**/*.graphql", "-o", "manifest.json")
    assert done.returncode == 0, done.stderr
    assert "2 operations of 3 files" in done.stderr
    printed = run(client, "persist", "songs:app", "src/*.graphql", "src/parts/label.graphql", str(client / "src" / "one.graphql"))
    assert printed.stdout == (client / "manifest.json").read_text()
    one, songs = read_manifest(client / "manifest.json")
    assert (one.name, one.type, songs.name) == ("One", "query", "Songs")
    assert one.body == (
        "query One($id: ID!) {\n  songView(id: $id) {\n    id\n    ...Label\n  }\n}\n\nfragment Label on SongView {\n  label\n}"
    )
    assert one.id == hashlib.sha256(one.body.encode()).hexdigest()

    program = (
        "import asyncio, songs\n"
        "from bff.testing.harness import AppHarness\n"
        "from bff import Settings\n"
        "async def ask():\n"
        "    settings = Settings(datastore_url='sqlite://', trusted_documents='manifest.json')\n"
        "    async with AppHarness(songs.app, settings=settings) as running:\n"
        "        await songs.Song(id='a', title='A', seconds=30).save()\n"
        f"        named = {{'documentId': '{one.id}', 'variables': {{'id': 'a'}}}}\n"
        "        print((await running.http.post('/graphql', json=named)).text)\n"
        "        print((await running.http.post('/graphql', json={'query': '{ __typename }'})).text)\n"
        "asyncio.run(ask())\n"
    )
    asked = subprocess.run(
        [sys.executable, "-c", program], cwd=client, check=True, capture_output=True, text=True, timeout=60
    ).stdout.splitlines()
    assert asked[0] == '{"data":{"songView":{"id":"a","label":"A (2 a minute)"}}}'
    assert "DOCUMENT_NOT_TRUSTED" in asked[1]


def test_persist_with_typename_writes_what_apollos_own_generator_writes(client: Path) -> None:
    """The body and the id are those of @apollo/generate-persisted-query-manifest 1.4, of the same file."""
    source = client / "src" / "parts" / "label.graphql"
    source.write_text("query All { songViews { edges { node { ...Label } } } __typename } fragment Label on SongView { label }")
    done = run(client, "persist", "songs:app", str(source), "--typename")
    [operation] = json.loads(done.stdout)["operations"]
    assert operation == {
        "id": "bf0a94984d9a8d18dfb7db96216dafd4b287f6b3be2f61449cface67e407ef75",
        "name": "All",
        "type": "query",
        "body": "query All {\n  songViews {\n    edges {\n      node {\n        ...Label\n        __typename\n      }\n      "
        "__typename\n    }\n    __typename\n  }\n  __typename\n}\n\nfragment Label on SongView {\n  label\n  __typename\n}",
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("query Songs { songViews { totalCount } }", "there is another operation Songs at src/parts/bad.graphql:1:1"),
        ("fragment Label on SongView { id }", "there is another fragment Label at src/parts/"),
        (
            "query Bad { songView(id: 1) {\n nothing } }",
            "src/parts/bad.graphql:2:2: Cannot query field 'nothing' on type 'SongView'.",
        ),
        ("query Bad { songView(id: 1) { ...Nobody } }", "src/parts/bad.graphql:1:34: Unknown fragment 'Nobody'."),
        ("{ songViews { totalCount } }", "src/parts/bad.graphql:1:1: this operation has no name; give it one"),
        ("query {", "src/parts/bad.graphql:1:8: Syntax Error"),
        ("mutation Sing { sing }", "src/parts/bad.graphql:1:1: The schema has no mutation type."),
        ("type Song { id: ID }", "src/parts/bad.graphql:1:1: this is a definition of a schema"),
    ],
)
def test_persist_says_where_something_is_wrong(client: Path, text: str, problem: str) -> None:
    (client / "src" / "parts" / "bad.graphql").write_text(text)
    done = run(client, "persist", "songs:app", "src/**/*.graphql", "-o", "manifest.json")
    assert done.returncode == 1
    assert problem in done.stderr
    assert not (client / "manifest.json").exists()


def test_persist_takes_a_path_with_brackets_as_it_is(client: Path) -> None:
    """Routers name folders so, and a shell has expanded what it was given."""
    (client / "src" / "[id]").mkdir()
    (client / "src" / "[id]" / "page.graphql").write_text("query Page($id: ID!) { songView(id: $id) { id } }\n")
    done = run(client, "persist", "songs:app", "src/[id]/page.graphql")
    assert done.returncode == 0, done.stderr
    assert [one["name"] for one in json.loads(done.stdout)["operations"]] == ["Page"]


def test_persist_without_files(folder: Path) -> None:
    done = run(folder, "persist", "songs:app", "src/**/*.graphql")
    assert (done.returncode, done.stderr.strip()) == (1, "bff: no file is called src/**/*.graphql")


def test_a_manifest_that_does_not_fit_stops_the_server(client: Path) -> None:
    (client / "manifest.json").write_text(json.dumps({"a": "query Old { gone }"}))
    program = (
        "import asyncio, songs\n"
        "from bff import Settings\n"
        "async def start():\n"
        "    async with songs.app.running(Settings(datastore_url='sqlite://', trusted_documents='manifest.json')): pass\n"
        "asyncio.run(start())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=client, capture_output=True, text=True, timeout=60)
    assert "SettingsError: trusted_documents: the schema does not allow a (Cannot query field 'gone'" in done.stderr
