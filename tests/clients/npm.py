"""Node projects in tests: their packages, their builds, their tests."""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import need

__all__ = ["build", "install", "need_node", "run_tests"]

INSTALL_TIMEOUT = 240.0
BUILD_TIMEOUT = 120.0
TEST_TIMEOUT = 240.0

STAMP = ".built-from"


def need_node() -> None:
    need("node", "the clients that people use are JavaScript")
    need("npm", "it installs the clients that people use")


def install(project: Path) -> None:
    """Install a project's packages as its lock file says, unless they are installed already."""
    wanted = digest([project / "package.json", project / "package-lock.json"])
    stamp = project / "node_modules" / STAMP
    with locked(project):
        if not stamp.is_file() or stamp.read_text() != wanted:
            command = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
            run(command, project, INSTALL_TIMEOUT)
            stamp.write_text(wanted)


def build(project: Path) -> None:
    """Build a Vite project, unless ``dist`` was built from these very sources."""
    install(project)
    skipped = {project / "node_modules", project / "dist"}
    sources = sorted(path for top in project.iterdir() if top not in skipped for path in [top, *top.rglob("*")] if path.is_file())
    wanted = digest(sources)
    stamp = project / "dist" / STAMP
    with locked(project):
        if not stamp.is_file() or stamp.read_text() != wanted:
            run(["npm", "run", "build"], project, BUILD_TIMEOUT)
            stamp.write_text(wanted)


def run_tests(file: Path, added: Mapping[str, str]) -> None:
    """Run one file of Node tests; fail with what it printed."""
    run(["node", "--test", "--test-reporter=spec", file.name], file.parent, TEST_TIMEOUT, added)


def run(command: list[str], directory: Path, timeout: float, added: Mapping[str, str] | None = None) -> None:
    process = subprocess.Popen(
        command,
        cwd=directory,
        env={**os.environ, **(added or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    try:
        printed, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        end_group(process.pid)
        printed, _ = process.communicate()
        pytest.fail(f"{' '.join(command)} took longer than {timeout:.0f} s:\n{printed}", pytrace=False)
    finally:
        end_group(process.pid)
    if process.returncode != 0:
        pytest.fail(f"{' '.join(command)} failed:\n{printed}", pytrace=False)


def end_group(leader: int) -> None:
    """End what the program started and left behind: servers, browsers."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


@contextmanager
def locked(project: Path) -> Iterator[None]:
    """Alone with a project: test workers that run side by side share its folder."""
    name = hashlib.sha256(str(project.resolve()).encode()).hexdigest()[:16]
    with open(Path(tempfile.gettempdir()) / f"bff-npm-{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def digest(paths: Iterable[Path]) -> str:
    """What stands in these files, in one word."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.name.encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
