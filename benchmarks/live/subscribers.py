"""Drives `subscribers.c`: compiled once a run, kept on the load's core, told what to measure line by line."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from benchmarks.harness import Bench, Server, Wrong
from benchmarks.live.state import OPERATION

__all__ = ["Size", "Subscribers", "Taken", "compiled", "subscribers"]

HERE = Path(__file__).parent
READY_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Size:
    """How many sockets, with how many subscriptions each, to how many views."""

    sockets: int
    per_socket: int = 1
    views: int = 1

    @property
    def subscriptions(self) -> int:
        return self.sockets * self.per_socket


@dataclass(frozen=True, slots=True)
class Taken:
    """What one command came to: the subscribers' own figures, and how busy each side was, in percent of its core."""

    figures: dict[str, float]
    server_seconds: float
    """CPU time of the server's process, from the command to its answer."""

    @property
    def server_cpu(self) -> float:
        return 100 * self.server_seconds / (self.figures["seconds"] + self.figures.get("settling_seconds", 0.0))

    @property
    def load_cpu(self) -> float:
        return 100 * self.figures["cpu_seconds"] / self.figures["seconds"]

    @property
    def server_microseconds(self) -> float:
        """CPU time of the server's process for one delivery."""
        return 1e6 * self.server_seconds / (self.figures["deliveries"] + self.figures.get("settling_deliveries", 0))

    @property
    def rate(self) -> float:
        """Deliveries a second."""
        return self.figures["deliveries"] / self.figures["seconds"]


class Subscribers:
    """So many subscriptions, all with their first state. What they find wrong is raised as Wrong."""

    def __init__(self, process: subprocess.Popen[str], complaints: IO[str], server: Server) -> None:
        self._process = process
        self._complaints = complaints
        self._server = server

    def flood(self, seconds: float) -> Taken:
        """Changes as fast as they are taken."""
        return self._tell(f"flood {seconds}")

    def paced(self, rate: float, seconds: float) -> Taken:
        """So many changes a second; figures have ``p50_ms`` and ``p99_ms``, from the making of a change to its receipt."""
        return self._tell(f"paced {rate} {seconds}")

    def _tell(self, command: str) -> Taken:
        assert self._process.stdin is not None, "it was opened as a pipe"
        used = self._server.cpu_seconds()
        try:
            self._process.stdin.write(command + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended, and says why
        return Taken(self.answer(), self._server.cpu_seconds() - used)

    def answer(self) -> dict[str, Any]:
        """The next line it prints. Raises Wrong where it ends instead."""
        assert self._process.stdout is not None, "it was opened as a pipe"
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait(10)
            self._complaints.seek(0)
            raise Wrong(f"the subscribers ended with code {code}: {self._complaints.read()[-3000:]}")
        found: dict[str, Any] = json.loads(line[line.index("{") :])
        return found


@contextmanager
def subscribers(
    bench: Bench, server: Server, control_port: int, size: Size, path: str = "/graphql", tokens: Path | None = None
) -> Iterator[Subscribers]:
    """Open so many subscriptions; entered when each has its first state. ``tokens`` are the sockets', in turns. Raises Wrong."""
    allow_files(size.sockets + 200)
    query = bench.folder / "live-operation.json"
    query.write_text(json.dumps(OPERATION))
    sizes = (size.sockets, size.per_socket, size.views)
    argv = [*program(bench), server.port, path, control_port, *sizes, "graphql-transport-ws", query]
    argv += [] if tokens is None else [tokens]
    with tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(
            [str(argument) for argument in argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {bench.cores.load}),
        )
        try:
            opened = Subscribers(process, complaints, server)
            opened.answer()
            yield opened
        finally:
            process.kill()
            process.communicate()


def program(bench: Bench) -> list[str]:
    """How to run them: compiled where there is a C compiler, else the same in Python."""
    if shutil.which("cc") is None:
        return [sys.executable, "-m", "benchmarks.live.subscribers_in_python"]
    return [str(compiled(bench, "subscribers"))]


def compiled(bench: Bench, name: str) -> Path:
    """The program of a C file of this folder. Raises Wrong where it cannot be compiled."""
    made = bench.folder / name
    if not made.exists():
        ran = subprocess.run(["cc", "-O2", "-o", made, HERE / f"{name}.c"], capture_output=True, text=True, check=False)
        if ran.returncode:
            raise Wrong(f"{name}.c: {ran.stderr}")
    return made


def allow_files(count: int) -> None:
    """Have this process and those that it starts open so many files. Raises Wrong where that is not allowed here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise Wrong(f"{count} open files are needed, {hard} are allowed: ulimit -n")
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
