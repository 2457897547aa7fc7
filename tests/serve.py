"""``bff serve`` as a real process: started on a free port with a given datastore, killed and started again on the same one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from bff.testing.emulators import free_port

__all__ = ["MEETING_ROOM", "BffServer", "seed", "serve"]

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
MEETING_ROOM = "meeting_room.app:app"

START_TIMEOUT = 60.0
STOP_TIMEOUT = 20.0
ATTEMPTS = 5


class BffServer:
    """An app, served on ``url`` by a process of its own. Its methods return when what they ask for is true."""

    def __init__(self, app: str, datastore_url: str, settings: Mapping[str, str] | None = None) -> None:
        self.app = app
        self.port = 0
        self.options: list[str] = []
        """What follows on the command line: set it before it is started."""
        self.environment = environment(datastore_url, settings)
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process. Raises RuntimeError where there is none."""
        if self._process is None:
            raise RuntimeError(f"{self.app} is not running")
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send it this signal, and wait for nothing."""
        os.kill(self.pid, number)

    @property
    def command(self) -> list[str]:
        run = "from bff.cli import main; main()"
        return [sys.executable, "-c", run, "serve", self.app, "--host", "127.0.0.1", "--port", str(self.port), *self.options]

    def described(self) -> str:
        """How to start it, as JSON, for test programs in other languages that start and kill it themselves."""
        self.port = self.port or free_port()
        added = {name: value for name, value in self.environment.items() if os.environ.get(name) != value}
        return json.dumps({"url": self.url, "command": self.command, "environment": added, "directory": str(ROOT)})

    def start(self) -> None:
        """Start it; return when it is ready. Raises RuntimeError, with what it printed, where it is not in time."""
        fixed = self.port != 0
        printed = ""
        for _ in range(1 if fixed else ATTEMPTS):
            if not fixed:
                self.port = free_port()  # may be taken by somebody else until the server binds it: hence the attempts
            if self._try_start():
                return
            printed = self.output()
            self.kill()
        raise RuntimeError(f"{self.app} was not ready on port {self.port}:\n{printed[-4000:]}")

    def kill(self) -> None:
        """End it at once (SIGKILL), as a crash would."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if self._output is not None:
            self._output.close()
            self._output = None

    def terminate(self) -> None:
        """Ask it to end (SIGTERM), and wait for nothing."""
        if self._process is None:
            raise RuntimeError(f"{self.app} is not running")
        self._process.terminate()

    def wait(self) -> int:
        """Wait until it has ended. Its exit code."""
        if self._process is None:
            raise RuntimeError(f"{self.app} is not running")
        return self._process.wait(STOP_TIMEOUT)

    def stop(self) -> int:
        """Ask it to end (SIGTERM). Its exit code."""
        if self._process is None:
            raise RuntimeError(f"{self.app} is not running")
        self._process.terminate()
        code = self._process.wait(STOP_TIMEOUT)
        self.kill()
        return code

    def output(self) -> str:
        """What it has printed since it was last started."""
        if self._output is None:
            return ""
        return Path(self._output.name).read_text(errors="replace")

    def _try_start(self) -> bool:
        self._output = tempfile.NamedTemporaryFile(prefix="bff-serve-")  # noqa: SIM115 - closed by kill()
        self._process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                return False
            if self._is_ready():
                # Somebody else's server may answer on this port while ours is about to fail to bind it.
                return self._process.poll() is None
            time.sleep(0.05)
        return False

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def environment(datastore_url: str, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(EXAMPLES), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "BFF_DATASTORE_URL": datastore_url, **(settings or {})}


def seed(datastore_url: str) -> None:
    """Write the meeting room's documents."""
    subprocess.run(
        [sys.executable, "-m", "meeting_room.seed", datastore_url],
        cwd=ROOT,
        env=environment(datastore_url),
        check=True,
        timeout=START_TIMEOUT,
    )


@contextmanager
def serve(datastore_url: str, app: str = MEETING_ROOM, settings: Mapping[str, str] | None = None) -> Iterator[BffServer]:
    """An app, served until the block ends; ``.kill()`` and ``.start()`` it meanwhile as often as you like."""
    server = BffServer(app, datastore_url, settings)
    try:
        server.start()
        yield server
    finally:
        server.kill()
