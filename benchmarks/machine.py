"""On what, and with which versions, something was measured."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import pace
from benchmarks.harness import Bench

__all__ = ["described"]

PACKAGES = (
    "bff",
    "uvicorn",
    "uvloop",
    "httptools",
    "websockets",
    "wsproto",
    "starlette",
    "orjson",
    "graphql-core",
    "ariadne",
    "graphene",
    "strawberry-graphql",
    "broadcaster",
    "pydantic",
)
QUIET = 0.5
LOCK = Path(__file__).parent / "node" / "package-lock.json"
NODE_PACKAGES = ("fastify", "mercurius", "graphql-jit", "@apollo/server", "graphql-yoga", "graphql", "graphql-ws", "ws")


def described(bench: Bench, *, seconds: float, paces: Sequence[float]) -> dict[str, str]:
    """Names and values, to be shown as a table. ``paces`` are those of the server's core during the run (``benchmarks.pace``)."""
    cores = f"{os.cpu_count()} cores; servers on core {bench.cores.server}, load on core {bench.cores.load}"
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "took": f"{seconds / 60:.1f} minutes" + (", QUICK=1: short rounds, not to be published" if bench.quick else ""),
        "commit": _printed("git", "rev-parse", "--short", "HEAD") + (" with changes" if _changed() else ""),
        "machine": f"{_processor()}, {cores}, {_memory()}",
        "load average at the start": f"{bench.busy:.1f}" + (": **the machine was not quiet**" if bench.busy > QUIET else ""),
        "system": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "yardstick, between the scenarios": pace.described(paces),
        "packages": ", ".join(f"{name} {found}" for name in PACKAGES if (found := _version(name))),
        "Node.js": _node(),
        "wrk": _wrk(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _printed(*argv: str) -> str:
    if shutil.which(argv[0]) is None:
        return "not installed"
    ran = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30, cwd=Path(__file__).parent)
    return (ran.stdout or ran.stderr).strip()


def _changed() -> bool:
    return bool(_printed("git", "status", "--porcelain", "--untracked-files=no", "--", ".."))


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", path.read_text()) if path.exists() else None
    return found[1] if found else platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"


def _node() -> str:
    if shutil.which("node") is None:
        return "not installed"
    packages = json.loads(LOCK.read_text())["packages"] if LOCK.exists() else {}
    named = [
        f"{name} {packages[f'node_modules/{name}']['version']}" for name in NODE_PACKAGES if f"node_modules/{name}" in packages
    ]
    return ", ".join([_printed("node", "--version"), *named])


def _wrk() -> str:
    return _printed("wrk", "-v").partition("\n")[0].partition("[")[0].strip()
