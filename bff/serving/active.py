"""An operation on a connection, from when its client asks for it to its last message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from starlette.requests import HTTPConnection

from bff.errors import Forbidden
from bff.serving.framing import Framed
from bff.serving.operations import Operation
from bff.serving.outbox import Lane
from bff.serving.planned_answer import plan_failed
from bff.serving.planning import Watching

if TYPE_CHECKING:
    from bff.serving.multiplex import Multiplex

__all__ = ["Active", "Connection", "Tell", "Woken", "Wording"]

Connection: TypeAlias = Callable[[], HTTPConnection]
"""What an operation came with. Made when it is asked for."""

Tell: TypeAlias = Callable[["Woken"], None]


class Woken(Protocol):
    """A planned subscription that may have something to send."""

    def line_up(self) -> None:
        """Wait for a turn, with the other operations of the connection."""
        ...

    def hand_over(self, framed: Framed) -> int:
        """Send it at once, where nothing else of the connection waits, and else line up; how many bytes were written."""
        ...

    def fail(self) -> None:
        """What was to be sent cannot be: end the connection."""
        ...


@dataclass(frozen=True, slots=True)
class Wording:
    """How a protocol says what comes of the operation with an id: a result, JSON, stands between ``before`` and ``after``.

    ``failed`` and ``completed`` are the last of an operation; ``failed`` raises TypeError for what JSON cannot hold.
    """

    before: Callable[[str], bytes]
    after: bytes
    failed: Callable[[str, list[dict[str, Any]]], bytes]
    completed: Callable[[str], bytes]


class Active(Lane):
    """An operation that the client has not been told the end of: one with a task, or a planned subscription that has none."""

    __slots__ = (
        "_after",
        "_before",
        "_outbox",
        "_tell",
        "connection",
        "counted",
        "id",
        "multiplex",
        "mutating",
        "operation",
        "task",
        "watching",
        "woken",
    )

    def __init__(self, id: str, multiplex: Multiplex) -> None:
        super().__init__()
        self.id = id
        self.multiplex = multiplex
        self.task: asyncio.Task[None] | None = None
        self.mutating = False  # it has begun to change something
        self.counted = False  # as a subscription of whoever holds the connection
        self.watching: Watching | None = None
        self.operation: Operation | None = None  # of a planned subscription, as long as it is one
        self.connection: Connection | None = None
        self.woken = False  # somebody has been told that there may be something to take
        self._tell = multiplex.tell
        self._outbox = multiplex.outbox
        self._before = self._after = b""

    @property
    def running(self) -> bool:
        return self.task is not None and not self.task.done()

    def say(self, result: bytes) -> bytes:
        """The message of a result."""
        wording = self.multiplex.wording
        return b"".join((wording.before(self.id), result, wording.after))

    def watch(self, watching: Watching, operation: Operation, connection: Connection) -> None:
        """It is a planned subscription from now on: it needs no task."""
        self.watching, self.operation, self.connection = watching, operation, connection
        self._before, self._after = self.multiplex.wording.before(self.id), self.multiplex.wording.after
        self.wake()

    def wake(self) -> None:
        """Called where there may be something to take. It is taken when the peer reads: then it is the newest."""
        if not self.woken:
            self.woken = True
            self._tell(self)
        else:
            self.multiplex.skipped()

    def line_up(self) -> None:
        """Wait for a turn, with the other operations of the connection."""
        self.woken = False
        if self.waiting:
            self.multiplex.skipped()
        self._outbox.queue(self)

    def hand_over(self, framed: Framed) -> int:
        """Send what there is at once, where nothing else of its socket waits, and else line up; how many bytes were written."""
        outbox = self._outbox
        frames = outbox.frames
        if frames is None or outbox.waiting or outbox.several or not frames.direct:
            self.line_up()
            return 0
        self.woken = False
        payload = self._take()
        return 0 if payload is None else frames.write(framed.frame(self._before, payload, self._after))

    def fail(self) -> None:
        """What was to be sent cannot be: end the connection."""
        self._outbox.on_failed()

    def pull(self) -> bytes | None:
        payload = self._take()
        return None if payload is None else b"".join((self._before, payload, self._after))

    def _take(self) -> bytes | None:
        watching = self.watching
        if watching is None:
            return None  # woken while it was being opened
        try:
            payload = watching.take()
        except Forbidden as error:
            self.multiplex.end(self, error)
            return None
        except Exception as error:
            if not isinstance(error, LookupError):  # by which a plan says that it cannot
                plan_failed(error)
            self.multiplex.take_over(self)
            return None
        if watching.ended:
            if payload is None:
                self.unwatch()
                self.multiplex.complete(self)
                return None
            self.line_up()
        return payload

    def ended(self) -> None:
        # Before it is sent: the client may use the id again as soon as it has read this.
        self.multiplex.forget(self)

    def unwatch(self) -> None:
        """It is no planned subscription any more."""
        watching, self.watching, self.operation, self.connection = self.watching, None, None, None
        if watching is not None:
            watching.close()
