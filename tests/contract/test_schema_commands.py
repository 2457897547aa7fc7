"""``bff schema diff`` and ``check``, as a shell and a pipeline see them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

APP = """
import bff


class Song(bff.DomainModel, collection="songs"):
    title: str
    seconds: int = 0


class SongStore(bff.Store):
    song = bff.reference(Song)


class SongView(bff.ViewModel):
    store: SongStore

    @bff.field
    def title(self) -> str:
        return self.store.song.title
{more}

app = bff.App(views=[SongView])
"""
SECONDS = """
    @bff.field
    def seconds(self) -> int:
        return self.store.song.seconds
"""

LENGTH = "query SongLength { songView(id: 1) { ...L } } fragment L on SongView { seconds }"
MANIFEST = {
    "format": "apollo-persisted-query-manifest",
    "version": 1,
    "operations": [
        {"id": "aaa", "name": "SongTitle", "type": "query", "body": "query SongTitle { songView(id: 1) { title } }"},
        {"id": "bbb", "name": "SongLength", "type": "query", "body": LENGTH},
        {"id": "ccc", "name": "OldThing", "type": "query", "body": "query OldThing { thing }"},
    ],
}  # fmt: skip


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    script = Path(sys.executable).with_name("bff")
    return subprocess.run([script, "schema", *words], cwd=folder, capture_output=True, text=True, timeout=60)


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An app that has lost ``seconds`` since its schema was written down."""
    app = tmp_path / "songs.py"
    app.write_text(APP.format(more=SECONDS))
    assert run(tmp_path, "print", "songs:app", "-o", "schema.graphql").returncode == 0
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST))
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "schema.graphql")
    git(tmp_path, "commit", "-qm", "schema")
    app.write_text(APP.format(more=""))
    return tmp_path


def test_a_breaking_change_fails_the_check_and_not_the_diff(folder: Path) -> None:
    diff, check = (run(folder, word, "songs:app", "--against", "schema.graphql") for word in ("diff", "check"))
    assert (diff.returncode, check.returncode) == (0, 1), diff.stderr + check.stderr
    assert diff.stdout == "breaking   SongView.seconds was removed.\n"
    assert check.stdout == "breaking   SongView.seconds was removed.\n1 breaking change.\n"


@pytest.mark.parametrize(
    "where",
    [("--against", "git:main:schema.graphql"), ("--ref", "main"), ("--ref", "HEAD", "--file", "schema.graphql")],
)
def test_the_schema_of_a_git_ref(folder: Path, where: tuple[str, ...]) -> None:
    (folder / "schema.graphql").unlink()
    assert run(folder, "check", "songs:app", *where).stdout.startswith("breaking   SongView.seconds was removed.")


def test_the_file_of_a_ref_is_the_one_here(folder: Path) -> None:
    """And not the one of its name at the top of the repository."""
    inner = folder / "packages" / "songs"
    inner.mkdir(parents=True)
    (folder / "songs.py").rename(inner / "songs.py")
    (folder / "schema.graphql").rename(inner / "schema.graphql")
    (folder / "schema.graphql").write_text("type Query { other: Int }")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "moved")
    assert run(inner, "diff", "songs:app", "--ref", "main").stdout == "breaking   SongView.seconds was removed.\n"
    assert "Query.other was removed" in run(inner, "diff", "songs:app", "--ref", "main", "--file", "../../schema.graphql").stdout
    assert "Query.other was removed" in run(inner, "diff", "songs:app", "--against", "git:main:schema.graphql").stdout


def test_the_operations_that_a_removed_field_breaks_are_named(folder: Path) -> None:
    check = run(folder, "check", "songs:app", "--against", "schema.graphql", "--operations", "manifest.json")
    assert check.returncode == 1
    assert check.stdout.splitlines() == [
        "breaking   SongView.seconds was removed.",
        "             breaks SongLength (bbb)",
        "note       OldThing (ccc) was not valid before either: Cannot query field 'thing' on type 'Query'.",
        "1 breaking change; 1 of 3 recorded operations breaks.",
    ]


def test_a_breaking_change_that_breaks_nobody_passes(folder: Path) -> None:
    (folder / "plain.json").write_text(json.dumps({"x": "{ songView(id: 1) { title } }"}))
    check = run(folder, "check", "songs:app", "--ref", "main", "--operations", "plain.json")
    assert check.returncode == 0, check.stdout
    assert check.stdout.splitlines()[-1] == "1 breaking change; 0 of 1 recorded operation break."


def test_operations_of_files_share_their_fragments(folder: Path) -> None:
    (folder / "src" / "deep").mkdir(parents=True)
    (folder / "src" / "length.graphql").write_text("fragment Length on SongView { seconds }")
    (folder / "src" / "deep" / "song.graphql").write_text("query Song($id: ID!) { songView(id: $id) { ...Length } }")
    check = run(folder, "check", "songs:app", "--ref", "main", "--operations", "src/**/*.graphql")
    assert check.returncode == 1
    assert "breaks Song (src/deep/song.graphql)" in check.stdout


def test_a_file_of_operations_that_is_named_twice_is_read_once(folder: Path) -> None:
    place = folder / "src" / "[id]"
    place.mkdir(parents=True)
    (place / "song.graphql").write_text("query Song { songView(id: 1) { seconds } }")
    twice = ("--operations", "src/**/*.graphql", "--operations", "src/[id]/song.graphql")
    check = run(folder, "check", "songs:app", "--ref", "main", *twice)
    assert check.stdout.splitlines()[-1] == "1 breaking change; 1 of 1 recorded operation breaks.", check.stderr


def test_operations_alone_are_checked_for_being_valid(folder: Path) -> None:
    check = run(folder, "check", "songs:app", "--operations", "manifest.json")
    assert check.returncode == 1
    assert "SongLength (bbb) is not valid: Cannot query field 'seconds' on type 'SongView'." in check.stdout
    assert "2 of 3 recorded operations break." in check.stdout


def test_additions_are_safe_and_pass(folder: Path) -> None:
    run(folder, "print", "songs:app", "-o", "old.graphql")
    (folder / "songs.py").write_text(APP.format(more=SECONDS))
    assert run(folder, "diff", "songs:app", "--against", "old.graphql").stdout == "safe       SongView.seconds was added.\n"
    check = run(folder, "check", "songs:app", "--against", "old.graphql")
    assert (check.returncode, check.stdout) == (0, "0 breaking changes.\n")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("diff", "songs:app"), "name the schema to compare with"),
        (("check", "songs:app"), "name the schema to compare with"),
        (("diff", "songs:app", "--against", "a.graphql", "--ref", "main"), "name a schema each"),
        (("diff", "songs:app", "--against", "a.graphql"), "a.graphql cannot be read: No such file"),
        (("diff", "songs:app", "--against", "songs.py"), "songs.py is no schema in SDL: Syntax Error"),
        (
            ("check", "songs:app", "--against", "operations.graphql"),
            "operations.graphql is no schema in SDL: it has no query type",
        ),
        (("diff", "songs:app", "--against", "wrong.graphql"), "Unknown type 'A'. Unknown type 'B'."),
        (("diff", "songs:other", "--against", "schema.graphql"), "songs:other: there is no 'other' in songs"),
        (("diff", "songs:app", "--ref", "main", "--file", "sub/schema.graphql"), "fatal: path 'sub/schema.graphql'"),
        (("check", "songs:app", "--ref", "main", "--operations", "empty.json"), "there is no operation in empty.json"),
        (("diff", "songs:app", "--against", "git:nowhere:a.graphql"), "git:nowhere:a.graphql: fatal: "),
        (("diff", "songs:app", "--against", "git:--help"), "name a file in git as git:REF:PATH"),
        (("check", "songs:app", "--operations", "no*.json"), "there is no file no*.json"),
        (("check", "songs:app", "--operations", "schema.graphql", "--operations", "songs.py"), "songs.py is not GraphQL: Syntax"),
    ],
)
def test_what_is_wrong_is_one_line(folder: Path, words: tuple[str, ...], problem: str) -> None:
    (folder / "operations.graphql").write_text("{ songView(id: 1) { title } }")
    (folder / "wrong.graphql").write_text("type Query { a: A b: B }")
    (folder / "empty.json").write_text("{}")
    (folder / "sub").mkdir()
    (folder / "sub" / "schema.graphql").write_text("type Query { a: Int }")
    done = run(folder, *words)
    assert done.returncode == 1
    assert problem in done.stderr
    assert len(done.stderr.splitlines()) == 1
