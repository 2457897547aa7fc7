"""What is wrong at the start is one clear line and a non-zero exit, in time and without a traceback."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bff.testing.emulators import free_port
from tests.faults.served import Finished, bff

APP = "tests.faults.bad_apps:app"
COMMANDS = ("serve", "doctor", "rebuild")


def start(command: str, datastore_url: str = "sqlite://", *, app: str = APP, **settings: str) -> Finished:
    """Run it; ``serve`` on a free port."""
    port = ["--port", str(free_port())] if command == "serve" else []
    return bff(command, app, *port, datastore_url=datastore_url, settings=settings)


def assert_refused(finished: Finished, *words: str) -> None:
    """It ended by itself with an error that has these words in one line, and nobody was shown a traceback."""
    said = finished.out + finished.err
    assert finished.code not in {0, None}, said
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if all(word in line for word in words)]
    assert len(lines) == 1, said


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and that nobody else is given meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


@pytest.mark.parametrize("command", COMMANDS)
def test_a_firestore_that_is_down(command: str, closed_port: int) -> None:
    began = time.monotonic()
    finished = start(command, f"firestore://demo?emulator=127.0.0.1:{closed_port}")
    assert_refused(finished, f"127.0.0.1:{closed_port}", "cannot be reached", "is the emulator running?")
    assert time.monotonic() - began < 20


def test_a_redis_that_is_down(closed_port: int) -> None:
    assert_refused(start("serve", BFF_BROADCAST_URL=f"redis://127.0.0.1:{closed_port}"), f"127.0.0.1:{closed_port}", "redis")


def test_doctor_goes_on_where_redis_is_down(tmp_path: Path, closed_port: int) -> None:
    finished = start("doctor", f"sqlite:///{tmp_path / 'a.db'}", BFF_BROADCAST_URL=f"redis://127.0.0.1:{closed_port}")
    assert_refused(finished, "✗ broadcast", f"127.0.0.1:{closed_port}")
    assert "✓ datastore" in finished.out


def text_file(place: Path) -> Path:
    (place / "notes.txt").write_text("This is a letter to my grandmother. " * 100)
    return place / "notes.txt"


def missing_directory(place: Path) -> Path:
    return place / "nowhere" / "a.db"


def another_application(place: Path) -> Path:
    with sqlite3.connect(place / "other.db") as connection:
        connection.execute("CREATE TABLE cakes (name TEXT)")
    connection.close()
    return place / "other.db"


def the_future(place: Path) -> Path:
    with sqlite3.connect(place / "future.db") as connection:
        connection.execute(f"PRAGMA application_id = {0x62666664}")
        connection.execute("PRAGMA user_version = 99")
        connection.execute("CREATE TABLE clock (id INTEGER)")
    connection.close()
    return place / "future.db"


@pytest.mark.parametrize(
    ("command", "make", "words"),
    [
        *((command, text_file, "not a SQLite database") for command in COMMANDS),
        *((command, missing_directory, "there is no directory") for command in COMMANDS),
        ("serve", Path, "is a directory"),
        ("serve", another_application, "of another application"),
        ("serve", the_future, "upgrade bff"),
    ],
)
def test_a_sqlite_file_that_cannot_be_used(tmp_path: Path, command: str, make: type[Path], words: str) -> None:
    path = make(tmp_path)
    assert_refused(start(command, f"sqlite:///{path}"), str(path), words)


# Root may write to what is read-only; without these two capabilities it is as everybody else.
AS_ANYBODY = """
import ctypes, os, sys
for capability in (1, 2):
    if os.geteuid() == 0 and ctypes.CDLL(None).prctl(24, capability, 0, 0, 0):
        sys.exit("cannot give up CAP_DAC_OVERRIDE")
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_sqlite_file_that_is_read_only(tmp_path: Path, command: str) -> None:
    path = tmp_path / "read-only" / "a.db"
    path.parent.mkdir()
    assert start("rebuild", f"sqlite:///{path}").code == 0
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        assert_refused(start_as_anybody(command, f"sqlite:///{path}"), str(path), "read-only", "its directory")
    finally:
        path.parent.chmod(0o755)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_directory_that_is_read_only(tmp_path: Path, command: str) -> None:
    directory = tmp_path / "read-only"
    directory.mkdir(mode=0o555)
    try:
        assert_refused(
            start_as_anybody(command, f"sqlite:///{directory}/a.db"), f"{directory}/a.db", "may this process write there"
        )
    finally:
        directory.chmod(0o755)


def start_as_anybody(command: str, datastore_url: str) -> Finished:
    port = ["--port", str(free_port())] if command == "serve" else []
    return bff(command, APP, *port, datastore_url=datastore_url, launcher=AS_ANYBODY)


@pytest.mark.parametrize(
    ("app", "words"),
    [
        ("tests.faults.no_such_module:app", ("there is no module", "tests.faults.no_such_module")),
        ("tests.faults.bad_apps:no_such_name", ("no_such_name",)),
        ("tests.faults.bad_apps:no_app", ("no_app", "not a bff.App")),
        ("tests.faults.bad_apps", ("module:attribute",)),
        (":", ("module:attribute",)),
        ("tests/faults/bad_apps.py:app", ("there is no module",)),
        ("tests.faults.bad_declaration:app", ("KettleView",)),
    ],
)
def test_an_app_that_is_not_there(app: str, words: tuple[str, ...]) -> None:
    finished = start("serve", app=app)
    assert_refused(finished, *words)
    assert finished.code == 1


def test_a_module_that_raises_shows_where_it_does() -> None:
    """That is the user's own error, and the traceback is what helps."""
    finished = start("serve", app="tests.faults.bad_module:app")
    assert finished.code == 1
    assert "bad_module.py" in finished.err
    assert "LookupError: the moon is missing" in finished.err


@pytest.mark.parametrize("command", COMMANDS)
def test_settings_that_are_wrong_are_all_named(command: str) -> None:
    wrong = {"BFF_ROLE": "boss", "BFF_BUILDS_AT_ONCE": "0", "BFF_GRAPHQL_PATH": "graphql", "BFF_LIMITS__BODY_BYTES": "lots"}
    assert_refused(start(command, **wrong), *wrong)


def test_a_setting_that_cannot_be_read_is_named() -> None:
    assert_refused(start("serve", BFF_ALLOWED_ORIGINS="https://a.example"), "BFF_ALLOWED_ORIGINS", "not JSON")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_url_that_is_none(command: str) -> None:
    assert_refused(start(command, "mysql://root@localhost/db"), "mysql", "is no datastore")


@pytest.mark.parametrize("url", ["nonsense://x", "redis://"])
def test_a_broadcast_url_that_is_none(url: str) -> None:
    finished = start("serve", BFF_BROADCAST_URL=url)
    assert finished.code != 0
    assert "Traceback" not in finished.err


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        finished = bff("serve", APP, "--port", str(taken.getsockname()[1]))
    assert_refused(finished, "address already in use")


def test_a_view_that_nobody_knows() -> None:
    assert_refused(bff("rebuild", APP, "TeapotView"), "TeapotView", "KettleView")


def test_a_file_that_the_schema_cannot_be_written_to(tmp_path: Path) -> None:
    assert_refused(bff("schema", "print", APP, "-o", os.fspath(tmp_path)), str(tmp_path), "cannot be written")
