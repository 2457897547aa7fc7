"""Sends mutations at a steady rate and times their pushes: ``python -m benchmarks.live.mutating PORT RATE SECONDS``.

Each mutation says that somebody comes or goes, so that answer and push show one more or less. The first second is not counted.

What the load takes itself is kept out of the times: a request is written before it is due, and a message counts from when its
bytes are there.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.data import ATTENDEES
from benchmarks.live.state import OPERATION, key
from benchmarks.live.wire import HTTPConnection, WebSocket, request

__all__ = ["main"]

VIEWS = 10
LOOKING = 2
WARM_SECONDS = 1.0
BEHIND_SECONDS = 5.0
EARLY_SECONDS = 0.002

MUTATION = (
    "mutation Attend($ticket: ID!, $attending: Boolean!)"
    " { setAttendance(ticketId: $ticket, attending: $attending) { id version numAttending } }"
)


@dataclass
class Times:
    """Milliseconds."""

    push: list[float] = field(default_factory=list)
    commit: list[float] = field(default_factory=list)
    answer: list[float] = field(default_factory=list)


class Meeting:
    """One view, who looks at it, and the mutation of it that is under way."""

    def __init__(self, view: int, sockets: Sequence[WebSocket], http: HTTPConnection, times: Times) -> None:
        self._id = key(view)
        self._sockets = sockets
        self._http = http
        self._times = times
        self._attending = True

    def next(self) -> bytes:
        """The next mutation, as it is to be sent."""
        self._attending = not self._attending
        return request({"query": MUTATION, "variables": {"ticket": f"{self._id}-t00", "attending": self._attending}})

    async def follow(self, mutation: bytes, due: float, counted: bool) -> None:
        """Send it, and wait until it is answered and all who look have it. Raises ValueError where it shows something else.

        Times are from when it was due: that it had to wait for the one before is part of them.
        """
        self._http.send(mutation)
        expected = ATTENDEES if self._attending else ATTENDEES - 1
        due_at = time.time() - (time.monotonic() - due)
        pushes = [asyncio.create_task(self._pushed(socket, expected)) for socket in self._sockets]
        answer = await self._http.answer()
        answered = self._http.received_at
        changed = answer["data"]["setAttendance"]
        if changed["numAttending"] != expected:
            raise ValueError(f"the answer shows {changed}, not {expected}")
        for push in pushes:
            version, received = await push
            if counted:
                # A version is the commit's timepoint, in microseconds of the machine's clock, read within the commit.
                committed = version / 1e6 - due_at
                self._times.push.append((received - due) * 1e3)
                self._times.commit.append((received - due - committed) * 1e3)
        if counted:
            self._times.answer.append((answered - due) * 1e3)

    @staticmethod
    async def _pushed(socket: WebSocket, expected: int) -> tuple[int, float]:
        message = await socket.receive()
        received = socket.received_at
        state = json.loads(message)["payload"]["data"]["meetingSession"]
        if state["numAttending"] != expected:
            raise ValueError(f"a push shows {state['numAttending']}, not {expected}")
        return int(state["version"]), received


async def main(port: int, rate: float, seconds: float) -> dict[str, float]:
    times = Times()
    meetings = [await opened(port, view, times) for view in range(VIEWS)]
    loop = asyncio.get_running_loop()
    begun, total, warm = loop.time(), int(rate * (seconds + WARM_SECONDS)), int(rate * WARM_SECONDS)
    running: list[asyncio.Task[None] | None] = [None] * VIEWS
    count = 0
    try:
        async with asyncio.timeout(2 * (seconds + WARM_SECONDS) + BEHIND_SECONDS):
            for count in range(total):
                meeting, before, due = meetings[count % VIEWS], running[count % VIEWS], begun + count / rate
                if before is not None:
                    await before  # one of a view at a time: a push is of this mutation, and of no other
                mutation = meeting.next()
                await until(due)
                running[count % VIEWS] = asyncio.create_task(meeting.follow(mutation, due, count >= warm))
            for task in running:
                if task is not None:
                    await task
    except TimeoutError:
        took = loop.time() - begun
        raise ValueError(f"the server does not keep up: {count} mutations in {took:.1f} s, at {rate:g} a second") from None
    return {
        "p50": percentile(times.push, 50),
        "p99": percentile(times.push, 99),
        "p50 from the commit": percentile(times.commit, 50),
        "p99 from the commit": percentile(times.commit, 99),
        "p50 of the answer": percentile(times.answer, 50),
    }


async def until(due: float) -> None:
    """Return when it is due, by the loop's clock: its timers, which it rounds up to milliseconds, are later than that.

    It sleeps until shortly before: the two cores may be one to the processor, which a load that never sleeps takes half of.
    """
    loop = asyncio.get_running_loop()
    await asyncio.sleep(due - loop.time() - EARLY_SECONDS)
    while loop.time() < due:  # noqa: ASYNC110 - a time is what is waited for
        await asyncio.sleep(0)


async def opened(port: int, view: int, times: Times) -> Meeting:
    """Put everybody back into the meeting, and look at it."""
    http = await HTTPConnection.open(port)
    await http.post({"query": MUTATION, "variables": {"ticket": f"{key(view)}-t00", "attending": True}})
    sockets = [await WebSocket.open(port) for _ in range(LOOKING)]
    for socket in sockets:
        await socket.subscribe(OPERATION, {"id": key(view)})
        shown: dict[str, Any] = {}
        while shown.get("numAttending") != ATTENDEES:
            shown = json.loads(await socket.receive())["payload"]["data"]["meetingSession"]
    return Meeting(view, sockets, http, times)


def percentile(values: Sequence[float], part: int) -> float:
    return sorted(values)[len(values) * part // 100]


if __name__ == "__main__":
    _port, _rate, _seconds = sys.argv[1:]
    sys.stdout.write(json.dumps(asyncio.run(main(int(_port), float(_rate), float(_seconds)))) + "\n")
