"""What both hand-made broadcasts do: hold who looks at what, and write one constant frame a change to all of them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

from benchmarks.live.state import marker, meeting, number_of

__all__ = ["Hold", "Room", "SendText"]

SendText = Callable[[str], Awaitable[None]]


class Hold:
    """The subscriptions of one socket; ``leave`` ends them."""

    def __init__(self, room: Room, send: SendText) -> None:
        self._room = room
        self._send = send
        self._looking: list[tuple[int, str]] = []

    async def take(self, text: str) -> None:
        """Answer one message of graphql-transport-ws. Nothing of it is validated: this is what bff is measured against."""
        message = json.loads(text)
        if message["type"] == "connection_init":
            await self._send('{"type":"connection_ack"}')
        elif message["type"] == "subscribe":
            view, id = number_of(message["payload"]["variables"]["id"]), message["id"]
            self._looking.append((view, id))
            self._room.looking[view].append((id, self._send))
            await self._send(_head(id) + self._room.body(view))

    def leave(self) -> None:
        for view, id in self._looking:
            self._room.looking[view].remove((id, self._send))


class Room:
    """Who looks at which view, and the text of each view that is constant."""

    def __init__(self) -> None:
        self.looking: defaultdict[int, list[tuple[str, SendText]]] = defaultdict(list)
        self._changes: defaultdict[int, int] = defaultdict(int)
        self._texts: dict[int, tuple[str, str]] = {}
        self._bodies: dict[int, str] = {}

    def body(self, view: int) -> str:
        """What stands behind the id in the message that tells the present state of a view."""
        if view not in self._bodies:
            state = meeting(view, 0)
            text = json.dumps({"data": {"meetingSession": state}}, separators=(",", ":"))
            before, _, after = text.partition(state["title"])
            self._texts[view] = f',"type":"next","payload":{before}', f"{after}}}"
            self._bodies[view] = self._made(view)
        return self._bodies[view]

    async def change(self, views: Sequence[int]) -> None:
        for view in views:
            self._changes[view] += 1
            self._bodies[view] = body = self._made(view)
            # Sockets of one subscription have one frame in common: their id is the same.
            head, frame = "", ""
            for id, send in self.looking[view]:
                if id != head:
                    head, frame = id, _head(id) + body
                await send(frame)

    def _made(self, view: int) -> str:
        before, after = self._texts[view]
        return before + marker(view, self._changes[view]) + after


def _head(id: str) -> str:
    return f'{{"id":"{id}"'
