"""Several operations on one connection: a task for each, their messages in one outbox."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from graphql import OperationType
from starlette.requests import HTTPConnection

from bff.serving.errors import RequestRefused, format_exception
from bff.serving.limits import Limits
from bff.serving.operations import Operation, Operations
from bff.serving.outbox import Lane, Outbox
from bff.serving.results import results

__all__ = ["Multiplex", "Wording", "until_ended"]

logger = logging.getLogger("bff.serving")


@dataclass(frozen=True, slots=True)
class Wording:
    """How a protocol says what comes of the operation with an id. ``result`` and ``failed`` raise TypeError for what JSON cannot
    hold; ``failed`` and ``completed`` are the last of an operation."""

    result: Callable[[str, Mapping[str, Any]], str]
    failed: Callable[[str, list[dict[str, Any]]], str]
    completed: Callable[[str], str]


class _Active(Lane):
    """An operation that the client has not been told the end of."""

    __slots__ = ("id", "mutating", "task")

    def __init__(self, id: str) -> None:
        super().__init__()
        self.id = id
        self.task: asyncio.Task[None] | None = None
        self.mutating = False  # it has begun to change something

    @property
    def running(self) -> bool:
        return self.task is not None and not self.task.done()


class Multiplex:
    """The operations of one connection, by the ids that its client gives them.

    ``outbox`` takes messages of the connection itself, too. Whoever makes one calls ``leave`` and awaits ``ended`` at its end:
    then nothing of it runs any more.
    """

    def __init__(self, operations: Operations, limits: Limits, wording: Wording) -> None:
        self.outbox: Outbox[_Active] = Outbox(limits)
        self._operations = operations
        self._limits = limits
        self._wording = wording
        self._active: dict[str, _Active] = {}
        self._leaving: set[_Active] = set()  # the client has completed them, and they still close

    def __contains__(self, id: str) -> bool:
        return id in self._active

    @property
    def named(self) -> int:
        """How many ids are in use, those counted whose last message is not sent yet."""
        return len(self._active)

    @property
    def full(self) -> bool:
        """Whether one more would be too many."""
        return len(self._active) + len(self._leaving) >= self._limits.operations

    def start(self, id: str, connection: HTTPConnection, prepared: Callable[[], Operation]) -> None:
        """Begin an operation, under an id that is not in use. ``prepared`` raises RequestRefused where there is none."""
        active = self._active[id] = _Active(id)
        active.task = asyncio.create_task(self._operate(active, connection, prepared), name=f"operation {id}")

    def refuse(self, id: str, refused: RequestRefused) -> None:
        """Answer an operation that is not begun."""
        active = self._active[id] = _Active(id)
        self.outbox.finish(active, self._wording.failed(id, refused.errors))

    def stop(self, id: str) -> None:
        """Stop an operation at once, but a mutation that has begun; nothing of it is sent any more. An unknown id is ignored."""
        active = self._active.pop(id, None)
        if active is None:
            return  # it has completed meanwhile: the two messages have crossed
        self.outbox.drop(active)
        if active.task is not None and active.running:
            self._leaving.add(active)
            active.task.add_done_callback(lambda _: self._leaving.discard(active))
            if not active.mutating:
                active.task.cancel()

    async def take(self) -> str:
        """The next message to send. For one writer only."""
        text, finished = await self.outbox.take()
        if finished is not None:
            # Before it is sent: the client may use the id again as soon as it has read this.
            del self._active[finished.id]
        return text

    def leave(self) -> None:
        """Stop everything; nothing is sent any more."""
        for id in list(self._active):
            self.stop(id)

    async def ended(self) -> None:
        """After ``leave``: wait until nothing runs. What takes too long is cancelled, again and again."""
        left = [(active, active.task) for active in self._leaving if active.task is not None and active.running]
        await until_ended((task for active, task in left if not active.mutating), self._limits.close_seconds)
        mutating = {task for active, task in left if active.mutating}
        await until_ended(mutating, self._limits.mutation_seconds, self._limits.close_seconds)

    async def _operate(self, active: _Active, connection: HTTPConnection, prepared: Callable[[], Operation]) -> None:
        """One operation, to its last message. Whatever it raises ends it, and it alone."""
        try:
            await self.outbox.room()
            operation = prepared()
            context = await self._operations.context(connection, operation)
            if operation.kind is OperationType.SUBSCRIPTION:
                await self._stream(active, operation, context)
            else:
                active.mutating = operation.kind is OperationType.MUTATION
                result = await self._operations.execute(operation, context)
                await self.outbox.put(active, self._wording.result(active.id, result))
            last = self._wording.completed(active.id)
        except RequestRefused as refused:
            last = self._failure(active.id, refused.errors)
        except Exception as error:
            last = self._wording.failed(active.id, [format_exception(error)])
        self.outbox.finish(active, last)

    async def _stream(self, active: _Active, operation: Operation, context: Any) -> None:
        # A patch is made against the result before it: none of them is ever replaced.
        replaceable = operation.latest_wins and not operation.asked.patch
        async with aclosing(results(self._operations, operation, context, self._limits, self.outbox.room)) as made:
            async for result in made:
                text = self._wording.result(active.id, result.payload)
                del result  # the next one may be long in coming: nobody is to hold this one for all that time
                if replaceable:
                    self.outbox.replace(active, text)
                    await asyncio.sleep(0)  # a source that never waits must not keep the loop from everybody else
                else:
                    await self.outbox.put(active, text)
                del text

    def _failure(self, id: str, errors: list[dict[str, Any]]) -> str:
        try:
            return self._wording.failed(id, errors)
        except TypeError as error:
            # A resolver's own GraphQLError may carry extensions that JSON cannot hold.
            return self._wording.failed(id, [format_exception(error)])


async def until_ended(tasks: Iterable[asyncio.Task[Any]], seconds: float, again: float | None = None) -> None:
    """Wait until all have ended; cancel those that take longer than ``seconds``, and then every ``again`` seconds."""
    left = set(tasks)
    while left:
        _, left = await asyncio.wait(left, timeout=seconds)
        for task in left:
            logger.warning("%s of a closed connection still runs after %s s: cancelled", task.get_name(), seconds)
            task.cancel()
        seconds = seconds if again is None else again
