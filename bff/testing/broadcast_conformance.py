"""What every Broadcast adapter must do. Inherit it, say how to open one, and pytest runs it::

class TestMyBroadcast(BroadcastConformance):
    def open(self) -> Broadcast:
        return MyBroadcast("my://…")
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Literal

import pytest

from bff.broadcast.port import MAX_RANK, RESYNC, Broadcast, Message, Resync, Subscription
from bff.errors import BroadcastError

__all__ = ["BroadcastConformance", "read", "read_until"]

DEADLINE = 20.0


async def read(subscription: Subscription) -> Message | Literal[Resync.RESYNC]:
    """The next of a subscription, within the deadline."""
    async with asyncio.timeout(DEADLINE):
        return await anext(aiter(subscription))


async def read_until(subscription: Subscription, key: str) -> list[Message | Literal[Resync.RESYNC]]:
    """Everything up to and with the message of this key, within the deadline."""
    seen: list[Message | Literal[Resync.RESYNC]] = []
    async with asyncio.timeout(DEADLINE):
        async for message in subscription:
            seen.append(message)
            if isinstance(message, Message) and message.key == key:
                return seen
    raise AssertionError(f"the subscription ended before {key!r} came; it had {seen}")


class BroadcastConformance:
    pytestmark = pytest.mark.anyio

    def open(self) -> Broadcast:
        """A Broadcast, not yet entered."""
        raise NotImplementedError

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Broadcast]:
        async with asyncio.timeout(DEADLINE), self.open() as broadcast:
            yield broadcast

    async def test_what_is_published_after_entering_is_received(self) -> None:
        async with self.opened() as broadcast, broadcast.subscribe("c") as subscription:
            await broadcast.publish("c", Message("k", b"1"))
            assert await read(subscription) == Message("k", b"1")

    async def test_keys_and_payloads_arrive_as_they_were_sent(self) -> None:
        messages = [
            Message("", b""),
            Message("meeting:1", bytes(range(256))),
            Message("ünïcödé 🎈 %2F", '{"名": "\r\n"}'.encode()),
            Message("large", b"\x00\xff" * 500_000),
        ]
        async with self.opened() as broadcast, broadcast.subscribe("c") as subscription:
            for message in messages:
                await broadcast.publish("c", message)
                assert await read(subscription) == message

    async def test_every_subscriber_of_a_channel_receives_it_and_nobody_else(self) -> None:
        async with (
            self.opened() as broadcast,
            broadcast.subscribe("a") as first,
            broadcast.subscribe("a") as second,
            broadcast.subscribe("b") as other,
        ):
            await broadcast.publish("a", Message("k", b"a"))
            await broadcast.publish("b", Message("k", b"b"))
            assert await read(first) == Message("k", b"a")
            assert await read(second) == Message("k", b"a")
            assert await read(other) == Message("k", b"b")

    async def test_publishing_to_nobody_is_no_error(self) -> None:
        async with self.opened() as broadcast:
            await broadcast.publish("nobody", Message("k", b""))

    async def test_subscribers_who_come_at_once_all_receive(self) -> None:
        async def subscriber(broadcast: Broadcast, entered: asyncio.Semaphore) -> object:
            async with broadcast.subscribe("c") as subscription:
                entered.release()
                return await read(subscription)

        async with self.opened() as broadcast:
            entered = asyncio.Semaphore(0)
            tasks = [asyncio.create_task(subscriber(broadcast, entered)) for _ in range(50)]
            for _ in tasks:
                await entered.acquire()
            await broadcast.publish("c", Message("k", b"1"))
            assert await asyncio.gather(*tasks) == [Message("k", b"1")] * 50

    async def test_no_message_is_lost_between_those_who_leave_and_those_who_come(self) -> None:
        async def come_and_go(broadcast: Broadcast, name: str) -> None:
            for turn in range(20):
                async with broadcast.subscribe("c") as subscription:
                    await broadcast.publish("c", Message(f"{name} {turn}", b""))
                    seen = await read_until(subscription, f"{name} {turn}")
                    assert RESYNC not in seen

        async with self.opened() as broadcast:
            await asyncio.gather(*(come_and_go(broadcast, f"task {number}") for number in range(10)))

    async def test_a_subscriber_that_is_cancelled_takes_nobody_with_it(self) -> None:
        async def subscribe(broadcast: Broadcast) -> None:
            async with broadcast.subscribe("c") as subscription:
                await read_until(subscription, "never")

        async with self.opened() as broadcast:
            for steps in range(12):
                task = asyncio.create_task(subscribe(broadcast))
                for _ in range(steps):
                    await asyncio.sleep(0)
                task.cancel()
                async with broadcast.subscribe("c") as subscription:
                    await broadcast.publish("c", Message("k", str(steps).encode()))
                    assert await read(subscription) == Message("k", str(steps).encode())
                await asyncio.gather(task, return_exceptions=True)
                assert task.cancelled()

    async def test_the_latest_unread_message_of_a_key_supersedes_the_earlier_ones(self) -> None:
        async with (
            self.opened() as broadcast,
            broadcast.subscribe("c") as slow,
            broadcast.subscribe("c") as witness,
        ):
            for number in range(100):
                await broadcast.publish("c", Message("k", str(number).encode()))
            await broadcast.publish("c", Message("end", b""))
            await read_until(witness, "end")
            assert await read_until(slow, "end") == [Message("k", b"99"), Message("end", b"")]

    async def test_what_comes_late_takes_nothing_newer_away(self) -> None:
        async with (
            self.opened() as broadcast,
            broadcast.subscribe("c") as slow,
            broadcast.subscribe("c") as witness,
        ):
            for rank in (1, MAX_RANK, 2, 0):
                await broadcast.publish("c", Message("k", b"", rank))
            await broadcast.publish("c", Message("end", b""))
            await read_until(witness, "end")
            assert await read_until(slow, "end") == [Message("k", b"", MAX_RANK), Message("end", b"")]

    async def test_what_a_slow_subscriber_cannot_hold_becomes_one_resync(self) -> None:
        async def follow(subscription: Subscription) -> None:
            await read_until(subscription, "end")

        async with (
            self.opened() as broadcast,
            broadcast.subscribe("c") as slow,
            broadcast.subscribe("c") as witness,
        ):
            following = asyncio.create_task(follow(witness))
            for start in range(0, 10_000, 100):
                await asyncio.gather(*(broadcast.publish("c", Message(str(number), b"")) for number in range(start, start + 100)))
            await broadcast.publish("c", Message("end", b""))
            await following
            seen = await read_until(slow, "end")
            assert seen.count(RESYNC) == 1
            assert seen[0] is RESYNC
            assert len(seen) < 5_000

    async def test_large_messages_nobody_reads_become_one_resync(self) -> None:
        async with (
            self.opened() as broadcast,
            broadcast.subscribe("c") as slow,
            broadcast.subscribe("c") as witness,
        ):
            for number in range(40):
                await broadcast.publish("c", Message(str(number), bytes(1_000_000)))
                await read_until(witness, str(number))
            await broadcast.publish("c", Message("end", b""))
            await read_until(witness, "end")
            seen = await read_until(slow, "end")
            assert seen.count(RESYNC) == 1
            assert len(seen) < 20

    async def test_500_publish_at_once(self) -> None:
        async def everything(subscription: Subscription) -> set[str]:
            keys: set[str] = set()
            async for message in subscription:
                assert isinstance(message, Message)
                keys.add(message.key)
                if len(keys) == 500:
                    break
            return keys

        async with self.opened() as broadcast, broadcast.subscribe("c") as subscription:
            reading = asyncio.create_task(everything(subscription))
            await asyncio.gather(*(broadcast.publish("c", Message(str(number), b"")) for number in range(500)))
            assert await reading == {str(number) for number in range(500)}

    async def test_what_one_publisher_publishes_comes_in_order(self) -> None:
        async with self.opened() as broadcast, broadcast.subscribe("c") as subscription:
            for number in range(200):
                await broadcast.publish("c", Message(str(number), b""))
            seen = await read_until(subscription, "199")
            assert [message.key for message in seen if isinstance(message, Message)] == [str(number) for number in range(200)]

    async def test_a_thousand_channels(self) -> None:
        async with self.opened() as broadcast, contextlib.AsyncExitStack() as stack:
            subscriptions = await asyncio.gather(
                *(stack.enter_async_context(broadcast.subscribe(f"channel {number}")) for number in range(1000))
            )
            await asyncio.gather(*(broadcast.publish(f"channel {n}", Message(str(n), b"")) for n in range(1000)))
            for number, subscription in enumerate(subscriptions):
                assert await read(subscription) == Message(str(number), b"")

    async def test_a_reader_that_is_cancelled_may_read_on(self) -> None:
        async with self.opened() as broadcast, broadcast.subscribe("c") as subscription:
            reading = asyncio.create_task(read(subscription))
            await asyncio.sleep(0)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await broadcast.publish("c", Message("k", b"1"))
            assert await read(subscription) == Message("k", b"1")

    async def test_leaving_ends_the_iteration(self) -> None:
        async with self.opened() as broadcast:
            async with broadcast.subscribe("c") as subscription:
                await broadcast.publish("c", Message("k", b""))
                await read(subscription)
            assert [message async for message in subscription] == []

    async def test_closing_ends_every_iteration_and_leaves_no_task(self) -> None:
        async def follow(broadcast: Broadcast, entered: asyncio.Event) -> list[object]:
            async with broadcast.subscribe("c") as subscription:
                entered.set()
                return [message async for message in subscription]

        before = asyncio.all_tasks()
        async with self.opened() as broadcast:
            entered = asyncio.Event()
            following = asyncio.create_task(follow(broadcast, entered))
            await entered.wait()
        async with asyncio.timeout(DEADLINE):
            assert await following == []
        assert asyncio.all_tasks() == before

    async def test_it_can_be_opened_again(self) -> None:
        broadcast = self.open()
        for _ in range(2):
            async with asyncio.timeout(DEADLINE), broadcast, broadcast.subscribe("c") as subscription:
                await broadcast.publish("c", Message("k", b"1"))
                assert await read(subscription) == Message("k", b"1")

    async def test_a_closed_one_says_so(self) -> None:
        broadcast = self.open()
        async with asyncio.timeout(DEADLINE), broadcast:
            pass
        with pytest.raises(BroadcastError):
            await broadcast.publish("c", Message("k", b""))
        with pytest.raises(BroadcastError):
            await broadcast.ping()
        with pytest.raises(BroadcastError):
            await broadcast.subscribe("c").__aenter__()

    async def test_a_publishing_that_is_cancelled_ends(self) -> None:
        """At whatever moment: one that went on would keep whoever closes its task waiting for ever."""
        async with self.opened() as broadcast:

            async def publish() -> None:
                await broadcast.publish("cancelled", Message("key", b"payload"))
                await asyncio.Event().wait()

            for turns in range(40):
                task = asyncio.create_task(publish())
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                assert task.cancelled()

    async def test_ping_goes_there_and_back(self) -> None:
        async with self.opened() as broadcast:
            await broadcast.ping()
