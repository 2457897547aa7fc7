"""Processes, each kept on one core, and what they cost: CPU time and memory as the kernel counts them."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = [
    "PYTHON",
    "ROOT",
    "Cores",
    "Load",
    "Server",
    "Wrong",
    "finish",
    "free_port",
    "load",
    "python_path",
    "serving",
    "settled",
]

ROOT = Path(__file__).parent.parent
PYTHON = sys.executable
STOP_SECONDS = 15.0
SETTLED_SECONDS, SETTLES_SECONDS = 0.1, 3.0
TICKS = os.sysconf("SC_CLK_TCK")


class Wrong(Exception):
    """A contender gave a wrong answer, or an error, or did not run: nothing of it is reported."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core the servers run on, and which one the load."""

    server: int
    load: int

    @classmethod
    def of_this_machine(cls) -> Cores:
        """The first core that we may use for the load, and one that shares no execution units with it for the servers.

        Raises Wrong on a machine with one core: there, load and server would take turns.
        """
        usable = sorted(os.sched_getaffinity(0))
        load = usable[0]
        others = [core for core in usable if core not in _siblings(load)] or usable[1:]
        if not others:
            raise Wrong("two cores are needed, one for the server and one for the load")
        return cls(server=others[0], load=load)


def _siblings(core: int) -> set[int]:
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    if not path.exists():
        return {core}
    found: set[int] = set()
    for part in path.read_text().strip().split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs, on ``127.0.0.1:port``."""

    pid: int
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """How much CPU time it has used so far, all its threads together."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_bytes(self) -> int:
        """How much memory it holds at this moment."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * resource.getpagesize()

    def post(self, path: str, body: Mapping[str, Any], timeout: float = 30.0, token: str | None = None) -> tuple[int, bytes]:
        """Status and body of what it answers to JSON, to who shows this token."""
        headers = {"content-type": "application/json", "accept": "application/json"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


@dataclass(frozen=True, slots=True)
class Load:
    """A load generator that has run to its end."""

    output: str
    seconds: float
    load_cpu_seconds: float
    server_cpu_seconds: float

    def cpu(self) -> dict[str, float]:
        """How busy each side was, in percent of its core.

        ``server cpu`` near 100 and ``load cpu`` below say that the server is what was measured.
        """
        return {
            "server cpu": 100 * self.server_cpu_seconds / self.seconds,
            "load cpu": 100 * self.load_cpu_seconds / self.seconds,
        }


def settled(core: int) -> None:
    """Wait until hardly anything has run on the core for `SETTLED_SECONDS`; at most `SETTLES_SECONDS`, where it is never quiet.

    A load generator ends with requests under way, which take the slowest servers a tenth of a second, and Node.js collects
    garbage afterwards: whoever is measured next on that core would pay for it.
    """
    deadline = time.monotonic() + SETTLES_SECONDS
    before = _busy_ticks(core)
    while time.monotonic() < deadline:
        time.sleep(SETTLED_SECONDS)
        now = _busy_ticks(core)
        if now - before <= 1:
            return
        before = now


def _busy_ticks(core: int) -> int:
    """What has run on this core since the machine's start: user, nice, system, irq and softirq of ``/proc/stat`` (proc(5))."""
    (line,) = (line for line in Path("/proc/stat").read_text().splitlines() if line.startswith(f"cpu{core} "))
    user, nice, system, _idle, _iowait, irq, softirq = map(int, line.split()[1:8])
    return user + nice + system + irq + softirq


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def python_path() -> str:
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


def _environment(added: Mapping[str, str] | None) -> dict[str, str]:
    # Settings of whoever runs this must not reach what is measured: it has the defaults.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BFF_")}
    return {**inherited, "PYTHONPATH": python_path(), **(added or {})}


def _on(core: int) -> Callable[[], None]:
    return lambda: os.sched_setaffinity(0, {core})


@contextmanager
def serving(
    argv: Sequence[str],
    *,
    core: int,
    port: int,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    ready: str | None = None,
    timeout: float = 60.0,
) -> Iterator[Server]:
    """See `Bench.start`."""
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=_environment(env),
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_on(core),
        )
        try:
            deadline = time.monotonic() + timeout
            while not _answers(port, ready):
                if process.poll() is not None or time.monotonic() > deadline:
                    printed.seek(0)
                    said = printed.read()[-4000:].decode(errors="replace")
                    raise Wrong(f"{' '.join(argv)}: not ready on port {port} (exit code {process.poll()})\n{said}")
                time.sleep(0.02)
            yield Server(process.pid, port)
            if process.poll() is not None:
                raise Wrong(f"{' '.join(argv)}: ended by itself, exit code {process.poll()}")
        finally:
            _end(process)


def _answers(port: int, ready: str | None) -> bool:
    try:
        if ready is None:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{ready}", timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def load(argv: Sequence[str], *, core: int, server: Server, env: Mapping[str, str] | None = None, timeout: float = 120.0) -> Load:
    """See `Bench.load`."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    server_used, started = server.cpu_seconds(), time.monotonic()
    ran = _run(argv, core, env, timeout)
    seconds, server_using = time.monotonic() - started, server.cpu_seconds()
    using = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = using.ru_utime + using.ru_stime - used.ru_utime - used.ru_stime
    return Load(ran, seconds, spent, server_using - server_used)


def finish(argv: Sequence[str], *, core: int, env: Mapping[str, str] | None = None, timeout: float = 600.0) -> dict[str, Any]:
    """See `Bench.run`."""
    lines = _run(argv, core, env, timeout).strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else {}
    except ValueError as error:
        raise Wrong(f"{' '.join(argv)}: its last line is no JSON: {lines[-1]!r}") from error
    if not isinstance(found, dict):
        raise Wrong(f"{' '.join(argv)}: its last line is no JSON object: {lines[-1]!r}")
    return found


def _run(argv: Sequence[str], core: int, env: Mapping[str, str] | None, timeout: float) -> str:
    try:
        ran = subprocess.run(
            argv,
            cwd=ROOT,
            env=_environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            preexec_fn=_on(core),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Wrong(f"{' '.join(argv)}: not done after {timeout} s") from error
    if ran.returncode:
        said = (ran.stderr or ran.stdout).strip()
        raise Wrong(f"exit code {ran.returncode}: {said.rpartition(chr(10))[2]}\n{' '.join(argv)}\n{said[-2000:]}")
    return ran.stdout
