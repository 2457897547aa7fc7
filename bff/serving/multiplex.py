"""Several operations on one connection, their messages in one outbox; a task for each that no plan answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from contextlib import aclosing
from functools import partial
from typing import Any

import orjson
from graphql import OperationType

from bff.auth.authenticator import principal_of
from bff.errors import BFFError
from bff.serving.active import Active, Connection, Tell, Wording
from bff.serving.errors import RequestRefused, format_exception
from bff.serving.limits import Limits
from bff.serving.occupancy import Occupancy
from bff.serving.operations import Operation, Operations, source_refused
from bff.serving.outbox import Outbox
from bff.serving.planned import watch
from bff.serving.results import results
from bff.serving.shares import Share

__all__ = ["Multiplex", "until_ended"]

logger = logging.getLogger("bff.serving")


class Multiplex:
    """The operations of one connection, by the ids that its client gives them.

    ``tell`` is told of each planned subscription that may have something to send, and has it ``line_up`` when it sees fit.
    ``outbox`` takes messages of the connection itself, too. Whoever makes one calls ``leave`` and awaits ``ended`` at its end:
    then nothing of it runs any more.
    """

    __slots__ = ("_active", "_leaving", "_limits", "_operations", "outbox", "share", "tell", "wording")

    def __init__(
        self,
        operations: Operations,
        limits: Limits,
        wording: Wording,
        tell: Tell | None = None,
        occupancy: Occupancy | None = None,
    ) -> None:
        self.outbox: Outbox[Active] = Outbox(limits, None if occupancy is None else occupancy.backlog)
        self.share: Share | None = None
        """Of whoever holds the connection: its subscriptions are counted there."""
        self.tell = tell or Active.line_up
        self.wording = wording
        self._operations = operations
        self._limits = limits
        self._active: dict[str, Active] = {}
        self._leaving: dict[Active, None] = {}  # the client has completed them, and they still close

    def __contains__(self, id: str) -> bool:
        return id in self._active

    @property
    def ids(self) -> list[str]:
        """Those in use."""
        return list(self._active)

    @property
    def named(self) -> int:
        """How many ids are in use, those counted whose last message is not sent yet."""
        return len(self._active)

    @property
    def full(self) -> bool:
        """Whether one more would be too many."""
        return len(self._active) + len(self._leaving) >= self._limits.operations

    def start(self, id: str, connection: Connection, prepared: Callable[[], Operation]) -> None:
        """Begin an operation, under an id that is not in use. ``prepared`` raises RequestRefused where there is none."""
        active = self._begin(id)
        self._run(active, partial(self._open, active, connection, prepared))

    def refuse(self, id: str, refused: RequestRefused) -> None:
        """Answer an operation that is not begun."""
        self._refused(self._begin(id), refused)

    def stop(self, id: str) -> None:
        """Stop an operation at once, but a mutation that has begun; nothing of it is sent any more. An unknown id is ignored."""
        active = self._active.pop(id, None)
        if active is None:
            return  # it has completed meanwhile: the two messages have crossed
        self.outbox.several = len(self._active) > 1
        self._uncount(active)
        self.outbox.drop(active)
        active.unwatch()
        if active.task is not None and active.running:
            self._leaving[active] = None
            active.task.add_done_callback(lambda _: self._leaving.pop(active, None))
            if not active.mutating:
                active.task.cancel()

    async def take(self) -> bytes:
        """The next message to send, once there is one. For one writer only."""
        return await self.outbox.take()

    async def changed(self) -> None:
        """Wait until every mutation that has begun has ended, and what came of it has been sent."""
        while changing := [active for active in self._active.values() if active.mutating]:
            running = [active.task for active in changing if active.task is not None]
            if running:
                await asyncio.wait(running)
            else:
                await self.outbox.taken()

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

    def take_over(self, active: Active) -> None:
        """Have graphql-core go on with a planned subscription, with the state that the plan cannot show."""
        operation, connection = active.operation, active.connection
        active.unwatch()
        assert operation is not None
        assert connection is not None
        self._run(active, partial(self._operate, active, operation, connection))

    def end(self, active: Active, error: BFFError) -> None:
        """End a planned subscription because of this, as graphql-core would."""
        operation = active.operation
        active.unwatch()
        assert operation is not None, "a planned subscription has its operation"
        self._refused(active, source_refused(operation, error))

    def complete(self, active: Active) -> None:
        """There will be no more results."""
        self.outbox.finish(active, self.wording.completed(active.id))

    def fail(self, active: Active, errors: list[dict[str, Any]]) -> None:
        """There will be no more results, because of this."""
        try:
            text = self.wording.failed(active.id, errors)
        except TypeError as error:
            # A resolver's own GraphQLError may carry extensions that JSON cannot hold.
            errors = [format_exception(error)]
            text = self.wording.failed(active.id, errors)
        self._operations.tally.failed(errors)
        self.outbox.finish(active, text)

    def forget(self, active: Active) -> None:
        """The client is about to know that it has ended."""
        del self._active[active.id]
        self._uncount(active)
        self.outbox.several = len(self._active) > 1

    def _begin(self, id: str) -> Active:
        active = self._active[id] = Active(id, self)
        self.outbox.several = len(self._active) > 1
        return active

    def skipped(self) -> None:
        """A newer state takes the place of one that was not sent."""
        self._operations.tally.skipped += 1

    def _refused(self, active: Active, refused: RequestRefused) -> None:
        self._operations.tally.refused(refused.limit)
        self.fail(active, refused.errors)

    def _run(self, active: Active, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def run() -> None:
            """Whatever an operation raises ends it, and it alone."""
            try:
                await work()
            except RequestRefused as refused:
                self._refused(active, refused)
            except Exception as error:
                self.fail(active, [format_exception(error)])
            finally:
                active.task = None

        active.task = asyncio.create_task(run(), name=f"operation {active.id}")

    async def _open(self, active: Active, connection: Connection, prepared: Callable[[], Operation]) -> None:
        await self.outbox.room()
        operation = prepared()
        if operation.kind is OperationType.SUBSCRIPTION:
            self._count(active)
        if operation.plan is None or not await self._follow_plan(active, operation, connection):
            await self._operate(active, operation, connection)

    def _count(self, active: Active) -> None:
        """Raises RequestRefused where whoever holds the connection has too many subscriptions."""
        if self.share is None or active.closed:
            return
        if not self.share.subscribe():
            refused = f"You have {self._limits.principal_subscriptions} subscriptions already."
            raise RequestRefused.because(refused, "TOO_MANY_OPERATIONS", limit="principal_subscriptions")
        active.counted = True

    def _uncount(self, active: Active) -> None:
        if active.counted and self.share is not None:
            active.counted = False
            self.share.unsubscribe()

    async def _follow_plan(self, active: Active, operation: Operation, connection: Connection) -> bool:
        """Whether a plan answers it. A subscription needs no task from then on."""
        if operation.kind is OperationType.SUBSCRIPTION:
            watching = await watch(operation, active.wake, principal_of(connection()))
            if watching is None:
                return False
            if active.closed:
                watching.close()
            else:
                active.watch(watching, operation, connection)
            return True
        said = await self._operations.planned(operation, principal_of(connection()))
        if said is None:
            return False
        self.outbox.replace(active, active.say(said))
        self.complete(active)
        return True

    async def _operate(self, active: Active, operation: Operation, connection: Connection) -> None:
        """One operation by graphql-core, to its last message."""
        context = await self._operations.context(connection(), operation)
        if operation.kind is OperationType.SUBSCRIPTION:
            await self._stream(active, operation, context)
        else:
            active.mutating = operation.kind is OperationType.MUTATION
            result = await self._operations.execute(operation, context)
            await self.outbox.put(active, active.say(orjson.dumps(result)))
        self.complete(active)

    async def _stream(self, active: Active, operation: Operation, context: Any) -> None:
        # A patch is made against the result before it: none of them is ever replaced.
        replaceable = operation.latest_wins and not operation.asked.patch
        async with aclosing(results(self._operations, operation, context, self._limits, self.outbox.room)) as made:
            async for result in made:
                text = active.say(orjson.dumps(result.payload))
                del result  # the next one may be long in coming: nobody is to hold this one for all that time
                if replaceable:
                    if active.result is not None:
                        self.skipped()
                    self.outbox.replace(active, text)
                    await asyncio.sleep(0)  # a source that never waits must not keep the loop from everybody else
                else:
                    await self.outbox.put(active, text)
                del text


async def until_ended(tasks: Iterable[asyncio.Task[Any]], seconds: float, again: float | None = None) -> None:
    """Wait until all have ended; cancel those that take longer than ``seconds``, and then every ``again`` seconds."""
    left = set(tasks)
    while left:
        _, left = await asyncio.wait(left, timeout=seconds)
        for task in left:
            logger.warning("%s of a closed connection still runs after %s s: cancelled", task.get_name(), seconds)
            task.cancel()
        seconds = seconds if again is None else again
