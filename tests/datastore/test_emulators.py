"""The servers that tests start, kill, freeze and leave behind nothing of."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bff.testing.emulators import FirestoreEmulator, RedisServer, free_port, redis_server


def gone(group: int) -> bool:
    """Whether no process of the group is left but ones that nobody has buried."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            return False
    return True


def test_it_is_started_killed_started_again_frozen_and_resumed(redis_url: str) -> None:
    with redis_server() as server:
        url = server.url
        assert server.answers()
        server.kill()
        assert not server.answers()
        server.start()
        assert server.url == url
        assert server.answers()
        server.pause()
        assert not server.answers()
        server.resume()
        assert server.answers()
    assert not server.answers()


def test_starting_twice_is_refused(redis_url: str) -> None:
    with redis_server() as server, pytest.raises(RuntimeError, match="running already"):
        server.start()


def test_a_program_that_is_not_there_is_named() -> None:
    class Absent(RedisServer):
        program = "no-such-server"

    with pytest.raises(RuntimeError, match="no-such-server is not on PATH"):
        Absent().start()


def test_a_program_that_fails_says_what_it_said() -> None:
    class Failing(RedisServer):
        program = "sh"

        def command(self) -> list[str]:
            return ["sh", "-c", "echo out of luck; exit 3"]

    server = Failing()
    with pytest.raises(RuntimeError, match="out of luck"):
        server.start()
    server.kill()


def test_the_port_that_is_free_is_not_always_the_same() -> None:
    assert len({free_port() for _ in range(10)}) > 1


def test_the_users_own_java_options_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JDK_JAVA_OPTIONS", "-Xmx2g")
    assert FirestoreEmulator().environment()["JDK_JAVA_OPTIONS"] == "-Xmx2g"


def test_it_does_not_outlive_a_process_that_is_killed(redis_url: str) -> None:
    code = (
        "import os, signal\n"
        "from bff.testing.emulators import RedisServer\n"
        "server = RedisServer(); server.start(); print(server._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment, timeout=60, check=False)
    group = int(ended.stdout)
    deadline = time.monotonic() + 20
    while not gone(group):
        assert time.monotonic() < deadline
        time.sleep(0.02)
