"""Real servers for tests: the official Firestore emulator and redis-server, started, killed, frozen and ended at will.

Each is started in a process group of its own, so that killing and freezing reach every process it is made of (the emulator is
gcloud → bash → java), and none outlives the process that started it, however that ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

__all__ = ["FirestoreEmulator", "RedisServer", "Server", "firestore_emulator", "redis_server", "running_firestore_emulator"]

ATTEMPTS = 5
STOPPED = frozenset("TZX")
# Reads what we never write: when that ends, because we have, so does the group that it is told.
LEASH = 'cat >/dev/null; kill -KILL "-$1"'
# It keeps every version of every document: a thousand commits a second for some minutes fill 256 MB, and a full heap looks like a
# server that is frozen. What is not needed is not taken. The rest makes it start with less work for two cores.
JAVA_OPTIONS = "-Xms64m -Xmx1g -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
WARM_UP = "/v1/projects/warm-up/databases/(default)/documents:commit"
WARM_UP_BODY = b'{"writes": [{"update": {"name": "projects/warm-up/databases/(default)/documents/a/b"}}]}'


class Server:
    """A server process on a port of 127.0.0.1. Its methods return when what they ask for is true."""

    program = ""
    start_timeout = 60.0

    def __init__(self) -> None:
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._leash: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None

    @property
    def host(self) -> str:
        """``host:port``, the same one after a restart."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, on a free port the first time and on the same one from then on; return when it answers.

        Raises RuntimeError, with what the program printed, where it does not start.
        """
        if self._process is not None and self._process.poll() is None:
            raise RuntimeError(f"{self.program} is running already, on {self.host}")
        if shutil.which(self.program) is None:
            raise RuntimeError(f"{self.program} is not on PATH")
        fixed = self.port != 0
        output = ""
        for _ in range(ATTEMPTS):
            if not fixed:
                self.port = free_port()  # may be taken by somebody else until the program binds it: hence the attempts
            if self._try_start():
                return
            output = self.output()
            self.kill()
        raise RuntimeError(f"{self.program} did not start on port {self.port}:\n{output[-2000:]}")

    def kill(self) -> None:
        """End it at once (SIGKILL), as a crash would. What it held in memory is lost."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self._wait_until_gone()
        if self._leash is not None:
            self._leash.kill()
            self._leash.communicate()
            self._leash = None
        if self._output is not None:
            self._output.close()
            self._output = None

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay open, nothing answers any more when this returns."""
        self._signal(signal.SIGSTOP)
        self._wait_until_stopped()

    def resume(self) -> None:
        """Let a frozen one go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def output(self) -> str:
        """What the program has printed since it was last started."""
        if self._output is None:
            return ""
        with open(self._output.name, "rb") as printed:
            return printed.read().decode(errors="replace")

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def answers(self) -> bool:
        """Whether it is up and serving."""
        raise NotImplementedError

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError(f"{self.program} is not running")
        os.killpg(self._process.pid, number)

    def _wait_until_stopped(self) -> None:
        """Wait for each thread of the group: some may run on for a moment. Without /proc (proc(5)) there is no telling."""
        assert self._process is not None
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and not _states(self._process.pid) <= STOPPED:
            time.sleep(0.001)

    def _wait_until_gone(self) -> None:
        """Wait for the port to be refused: the leader has ended, but its children may take a moment longer."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=0.2).close()
            except OSError:
                return
            time.sleep(0.01)

    def _try_start(self) -> bool:
        self._output = tempfile.NamedTemporaryFile(prefix=f"bff-{self.program}-")  # noqa: SIM115 - closed by kill()
        self._process = subprocess.Popen(
            self.command(),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env=self.environment(),
            start_new_session=True,
        )
        self._leash = subprocess.Popen(
            ["/bin/sh", "-c", LEASH, "leash", str(self._process.pid)], stdin=subprocess.PIPE, start_new_session=True
        )
        deadline = time.monotonic() + self.start_timeout
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                return False
            if self.answers():
                # Somebody else's server may answer on this port while ours is about to fail to bind it.
                return self._process.poll() is None
            time.sleep(0.05)
        return False


class FirestoreEmulator(Server):
    """The official Firestore emulator, in memory: after ``kill()`` and ``start()`` it is empty."""

    program = "gcloud"

    def command(self) -> list[str]:
        return ["gcloud", "emulators", "firestore", "start", f"--host-port={self.host}", "--quiet"]

    def environment(self) -> dict[str, str]:
        return {"JDK_JAVA_OPTIONS": JAVA_OPTIONS, **os.environ, "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"}

    def start(self) -> None:
        super().start()
        # Its first request takes seconds on a busy machine: no test should have to wait for that.
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"http://{self.host}{WARM_UP}", WARM_UP_BODY, headers, method="POST")
        with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(request, timeout=self.start_timeout) as response:
            response.read()

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.host}/", timeout=2) as response:
                return bool(response.read().strip() == b"Ok")
        except (urllib.error.URLError, OSError):
            return False


class RedisServer(Server):
    """A redis-server that stores nothing on disk."""

    program = "redis-server"
    start_timeout = 15.0

    @property
    def url(self) -> str:
        return f"redis://{self.host}"

    def command(self) -> list[str]:
        return ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


@contextmanager
def running_firestore_emulator() -> Iterator[FirestoreEmulator]:
    """An emulator of one's own, to kill, restart and freeze."""
    emulator = FirestoreEmulator()
    try:
        emulator.start()
        yield emulator
    finally:
        emulator.kill()


@contextmanager
def firestore_emulator() -> Iterator[str]:
    """``host:port`` of an emulator. Isolate tests by a random project id each, not by clearing it."""
    with running_firestore_emulator() as emulator:
        yield emulator.host


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """A redis-server of one's own: ``.url``, and ``.kill()``, ``.start()``, ``.pause()``, ``.resume()``."""
    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.kill()


def _states(group: int) -> set[str]:
    """In which states the threads of a process group are, as far as /proc tells: ``R``, ``S``, ``T`` …"""
    states: set[str] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it may have ended meanwhile
            # What precedes the last parenthesis may hold anything: it is the program's name.
            if int(stat.read_text().rpartition(")")[2].split()[2]) == group:
                threads = [one.read_text() for one in stat.parent.glob("task/*/stat")]
                states.update(one.rpartition(")")[2].split()[0] for one in threads)
    return states


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
