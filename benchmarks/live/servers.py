"""How each contender of the live scenarios is started."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.guarded import KEY, write_key_and_tokens
from benchmarks.harness import Bench, Server, Unavailable, free_port
from benchmarks.live.app import SOURCE
from benchmarks.live.control import PORT
from benchmarks.live.state import SDL, VIEWS, meeting
from benchmarks.live.subscribers import compiled
from benchmarks.processes import PYTHON, ROOT

__all__ = [
    "ARIADNE",
    "BARE",
    "BFF",
    "COMMITS",
    "FLOOR",
    "NODE",
    "SIGNED_IN",
    "STARLETTE",
    "STRAWBERRY",
    "Contender",
    "seeded",
    "served",
]

BFF = "bff"
COMMITS = "bff, each change a commit"
SIGNED_IN = "bff, with JWT and readers"
USERS = 1_000
FLOOR = "C over epoll (floor)"
BARE = "bare ASGI"
STARLETTE = "Starlette"
NODE = "graphql-ws on ws (Node.js)"
ARIADNE = "Ariadne + broadcaster"
STRAWBERRY = "Strawberry + broadcaster"

PYTHON_PEERS = {BARE: "bare", STARLETTE: "starlette_app", ARIADNE: "ariadne_app", STRAWBERRY: "strawberry_app"}


@dataclass(frozen=True, slots=True)
class Contender:
    """One that runs, and the port on which changes are asked of it."""

    server: Server
    control_port: int
    tokens: Path | None = None
    """Of those who may look, one a line; None where everybody may."""


@contextmanager
def served(bench: Bench, name: str) -> Iterator[Contender]:
    """Start it; ours with its default settings, on a copy of the seeded meetings. Raises Unavailable, Wrong."""
    control_port = free_port()
    env = {PORT: str(control_port)}
    with ExitStack() as stack:
        tokens = None
        if name in (BFF, COMMITS, SIGNED_IN):
            database = bench.folder / f"live-{control_port}.db"
            shutil.copyfile(seeded(bench), database)
            stack.callback(remove, database)
            env[SOURCE] = "documents" if name == COMMITS else "channel"
            app = "benchmarks.live.app:app"
            if name == SIGNED_IN:
                key, tokens = write_key_and_tokens(bench.folder, USERS)
                app, env[KEY] = "benchmarks.guarded:driven", str(key)
            server = stack.enter_context(bench.bff(app, database=database, env=env))
        else:
            port = free_port()
            argv = command(bench, name, port, control_port)
            cwd = ROOT / "benchmarks" / "node" if name == NODE else ROOT
            server = stack.enter_context(bench.start(argv, port=port, env={**env, "NODE_ENV": "production"}, cwd=cwd))
        yield Contender(server, control_port, tokens)


def remove(database: Path) -> None:
    """The file, and what SQLite keeps beside it."""
    for path in database.parent.glob(f"{database.name}*"):
        path.unlink()


def seeded(bench: Bench) -> Path:
    """The file with the meetings, made once a run; the smoke form looks at the first one alone."""
    path = bench.folder / "live.db"
    if not path.exists():
        views = 1 if bench.smoke else VIEWS
        bench.run([PYTHON, "-m", "benchmarks.live.seed", str(path), str(views)])
    return path


def command(bench: Bench, name: str, port: int, control_port: int) -> list[str]:
    """What starts a peer. Raises Unavailable where what it needs is not installed."""
    if name == FLOOR:
        if shutil.which("cc") is None:
            raise Unavailable("no C compiler")
        state = bench.folder / "first-state.json"
        message = {"id": "1", "type": "next", "payload": {"data": {"meetingSession": meeting(0, 0)}}}
        state.write_text(json.dumps(message, separators=(",", ":")))
        return [str(compiled(bench, "floor")), str(port), str(control_port), str(state)]
    if name == NODE:
        if shutil.which("node") is None or not (ROOT / "benchmarks/node/node_modules/graphql-ws").is_dir():
            raise Unavailable("node, or npm ci in benchmarks/node")
        states = bench.folder / "live-states.json"
        if not states.exists():
            states.write_text(json.dumps({"sdl": SDL, "states": [meeting(view, 0) for view in range(VIEWS)]}))
        return ["node", "graphql_ws.js", str(port), str(states)]
    if name == STRAWBERRY and find_spec("strawberry") is None:
        raise Unavailable("strawberry-graphql is not installed")
    module = f"benchmarks.live.contenders.{PYTHON_PEERS[name]}"
    return [PYTHON, "-m", "benchmarks.live.contenders.serve", module, str(port)]
