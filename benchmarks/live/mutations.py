"""Drives `mutations.c`: compiled once a run, kept on the load's core."""

from __future__ import annotations

import json
import shutil

from benchmarks.data import ATTENDEES
from benchmarks.harness import Bench, Server, Unavailable
from benchmarks.live.state import OPERATION
from benchmarks.live.subscribers import compiled

__all__ = ["VIEWS", "mutations"]

VIEWS = 10
LOOKING = 2
"""How many look at each of them."""

MUTATION = (
    "mutation Attend($ticket: ID!, $attending: Boolean!)"
    " { setAttendance(ticketId: $ticket, attending: $attending) { id version numAttending } }"
)


def mutations(bench: Bench, server: Server, rate: float, seconds: float) -> dict[str, float]:
    """So many mutations a second, and who looks: milliseconds, and how busy each side was. Raises Unavailable, Wrong."""
    if shutil.which("cc") is None:
        raise Unavailable("no C compiler")
    operations = []
    for name, text in (("mutation", MUTATION), ("subscription", OPERATION)):
        path = bench.folder / f"live-{name}.json"
        path.write_text(json.dumps(text))
        operations.append(str(path))
    program = str(compiled(bench, "mutations"))
    sizes = map(str, (rate, seconds, VIEWS, LOOKING, ATTENDEES))
    ran = bench.load([program, str(server.port), "/graphql", *sizes, *operations], server=server)
    figures: dict[str, float] = json.loads(ran.output)
    return {**figures, **ran.cpu()}
