"""A Redis server that is killed, restarted, frozen, flushed, secured, or shared with somebody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from redis.asyncio import Redis

from bff.broadcast.broadcaster import BroadcasterBroadcast
from bff.broadcast.port import RESYNC, Message, Subscription
from bff.broadcast.redis import RedisBackend
from bff.errors import BroadcastError
from bff.supervisor import Backoff, State
from bff.testing.broadcast_conformance import read, read_until
from bff.testing.emulators import RedisServer, redis_server

pytestmark = pytest.mark.anyio


@pytest.fixture
def server(redis_url: str) -> Iterator[RedisServer]:
    """One of the test's own, to do harm to. Where there is no redis-server, ``redis_url`` says what that means."""
    with redis_server() as server:
        yield server


def broadcast_on(url: str, *, timeout: float = 2.0, heartbeat: float = 0.1) -> BroadcasterBroadcast:
    backend = RedisBackend(url, timeout=timeout, heartbeat=heartbeat, backoff=Backoff(0.01, 0.1))
    return BroadcasterBroadcast(backend, backend.url)


@asynccontextmanager
async def connected(server: RedisServer) -> AsyncIterator[Redis]:
    client: Redis = Redis.from_url(server.url)
    async with client:
        yield client


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again until it is so, within the deadline."""
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110 - it is the server that changes
            await asyncio.sleep(0.01)


async def pings(broadcast: BroadcasterBroadcast) -> bool:
    try:
        await broadcast.ping()
    except BroadcastError:
        return False
    return True


async def fails(broadcast: BroadcasterBroadcast) -> bool:
    return any(status.state is State.FAILING for status in broadcast.status())


async def publish(broadcast: BroadcasterBroadcast, channel: str, message: Message) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                return await broadcast.publish(channel, message)
            except BroadcastError:
                await asyncio.sleep(0.01)


async def goes_on(broadcast: BroadcasterBroadcast, channel: str, *subscriptions: Subscription) -> list[int]:
    """What is published now is received; how many times each subscription said RESYNC before."""
    await publish(broadcast, channel, Message("goes on", b""))
    return [(await read_until(subscription, "goes on")).count(RESYNC) for subscription in subscriptions]


async def test_a_server_that_is_killed_and_restarted_is_one_resync_each(server: RedisServer) -> None:
    async with (
        broadcast_on(server.url) as broadcast,
        broadcast.subscribe("a") as first,
        broadcast.subscribe("a") as second,
        broadcast.subscribe("b") as other,
    ):
        for _ in range(3):
            await asyncio.to_thread(server.kill)
            await until(lambda: fails(broadcast))
            await asyncio.to_thread(server.start)
            await until(lambda: pings(broadcast))
            assert await goes_on(broadcast, "a", first, second) == [1, 1]
            assert await goes_on(broadcast, "b", other) == [1]


async def test_a_connection_that_the_server_ends_is_a_resync(server: RedisServer) -> None:
    async with broadcast_on(server.url) as broadcast, broadcast.subscribe("c") as subscription, connected(server) as client:
        for _ in range(5):
            await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            assert await read(subscription) is RESYNC
            assert await goes_on(broadcast, "c", subscription) == [0]


async def test_publishing_connections_that_the_server_ends_are_replaced(server: RedisServer) -> None:
    async with broadcast_on(server.url) as broadcast, broadcast.subscribe("c") as subscription, connected(server) as client:
        await asyncio.gather(*(broadcast.publish("c", Message(str(number), b"")) for number in range(50)))
        await client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await asyncio.gather(*(broadcast.publish("c", Message("after", b"")) for _ in range(50)))
        assert RESYNC not in await read_until(subscription, "after")


async def test_a_frozen_server_is_noticed_and_after_it_comes_a_resync(server: RedisServer) -> None:
    async with broadcast_on(server.url, timeout=0.3) as broadcast, broadcast.subscribe("c") as subscription:
        server.pause()
        with pytest.raises(BroadcastError, match="did not answer within"):
            await broadcast.publish("c", Message("k", b""))
        with pytest.raises(BroadcastError):
            await broadcast.ping()
        await until(lambda: fails(broadcast))
        server.resume()
        await until(lambda: pings(broadcast))
        assert await goes_on(broadcast, "c", subscription) == [1]


async def test_a_server_frozen_for_a_moment_loses_nothing(server: RedisServer) -> None:
    async with broadcast_on(server.url, timeout=20) as broadcast, broadcast.subscribe("c") as subscription:
        server.pause()
        publishing = asyncio.create_task(broadcast.publish("c", Message("k", b"1")))
        await asyncio.sleep(0)
        server.resume()
        await publishing
        assert await read(subscription) == Message("k", b"1")


async def test_flushing_the_server_is_nothing_to_channels(server: RedisServer) -> None:
    async with broadcast_on(server.url) as broadcast, broadcast.subscribe("c") as subscription, connected(server) as client:
        await client.flushall()
        assert await goes_on(broadcast, "c", subscription) == [0]


async def test_who_subscribes_while_the_server_is_down_gets_a_resync_when_it_is_back(server: RedisServer) -> None:
    async with broadcast_on(server.url) as broadcast:
        await asyncio.to_thread(server.kill)
        await until(lambda: fails(broadcast))
        async with asyncio.timeout(10), broadcast.subscribe("c") as subscription:
            await asyncio.to_thread(server.start)
            assert await read(subscription) is RESYNC
            assert await goes_on(broadcast, "c", subscription) == [0]


async def test_who_subscribes_when_the_server_freezes_gets_a_resync_when_it_is_back(server: RedisServer) -> None:
    async with broadcast_on(server.url, timeout=0.3, heartbeat=60) as broadcast:
        server.pause()
        async with asyncio.timeout(10), broadcast.subscribe("c") as subscription:
            server.resume()
            assert await read(subscription) is RESYNC
            assert await goes_on(broadcast, "c", subscription) == [0]


async def test_publishing_while_the_server_is_down_raises_and_later_works_again(server: RedisServer) -> None:
    async with broadcast_on(server.url) as broadcast:
        await asyncio.gather(*(broadcast.publish("c", Message(str(number), b"")) for number in range(20)))
        await asyncio.to_thread(server.kill)
        async with asyncio.timeout(10):
            results = await asyncio.gather(
                *(broadcast.publish("c", Message(str(number), b"")) for number in range(20)), return_exceptions=True
            )
        assert {type(result) for result in results} == {BroadcastError}
        await asyncio.to_thread(server.start)
        async with asyncio.timeout(10):
            await asyncio.gather(*(broadcast.publish("c", Message(str(number), b"")) for number in range(20)))


async def test_a_server_that_is_down_at_the_start_is_an_error_that_leaves_nothing_behind(server: RedisServer) -> None:
    await asyncio.to_thread(server.kill)
    before = asyncio.all_tasks()
    with pytest.raises(BroadcastError, match=r"redis://127\.0\.0\.1"):
        await broadcast_on(server.url).__aenter__()
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("fault", ["pause", "kill"])
async def test_closing_does_not_wait_for_a_server_that_is_gone(server: RedisServer, fault: str) -> None:
    before = asyncio.all_tasks()
    async with asyncio.timeout(10), AsyncExitStack() as stack:
        broadcast = await stack.enter_async_context(broadcast_on(server.url, timeout=0.3))
        await stack.enter_async_context(broadcast.subscribe("c"))
        await asyncio.to_thread(getattr(server, fault))
        await until(lambda: fails(broadcast))
    assert asyncio.all_tasks() == before


async def test_coming_and_going_while_the_server_is_killed_again_and_again(server: RedisServer) -> None:
    async def come_and_go(broadcast: BroadcasterBroadcast, name: str, over: asyncio.Event) -> None:
        turn = 0
        while not over.is_set():
            turn += 1
            async with broadcast.subscribe("c") as subscription:
                await publish(broadcast, "c", Message(f"{name} {turn}", b""))
                async for message in subscription:  # it, or RESYNC in its place
                    if message is RESYNC or message == Message(f"{name} {turn}", b""):
                        break

    async with asyncio.timeout(60), broadcast_on(server.url) as broadcast, broadcast.subscribe("c") as witness:
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(come_and_go(broadcast, f"task {number}", over))
            for _ in range(4):
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start)
                await until(lambda: pings(broadcast))
            over.set()
        await goes_on(broadcast, "c", witness)


async def test_what_is_left_is_left_at_the_server(server: RedisServer) -> None:
    async with broadcast_on(server.url) as broadcast, connected(server) as client:

        async def subscribers() -> int:
            ((_, number),) = await client.pubsub_numsub("c")
            return int(number)

        async def left() -> bool:
            return await subscribers() == 0

        async with broadcast.subscribe("c"), broadcast.subscribe("c"):
            assert await subscribers() == 1
        await until(left)


async def test_a_message_of_somebody_elses_is_a_resync(server: RedisServer) -> None:
    async with broadcast_on(server.url) as broadcast, broadcast.subscribe("c") as subscription, connected(server) as client:
        for foreign in (b"", b"hello", b"\x01\xff\xff\xff\xff", b"\x01\x00\x00\x00\x01\xff"):
            await client.publish("c", foreign)
            assert await read(subscription) is RESYNC
        assert await goes_on(broadcast, "c", subscription) == [0]


async def test_a_wrong_password_is_an_error_that_does_not_tell_it(server: RedisServer) -> None:
    async with connected(server) as client:
        await client.config_set("requirepass", "right")
    wrong = broadcast_on(f"redis://:wr0ng@{server.host}/0?password=wr0ng2")
    assert wrong.url == f"redis://{server.host}/0"
    with pytest.raises(BroadcastError) as raised:
        await wrong.__aenter__()
    assert "wr0ng" not in str(raised.value)
    async with broadcast_on(f"redis://:right@{server.host}") as broadcast, broadcast.subscribe("c") as subscription:
        assert await goes_on(broadcast, "c", subscription) == [0]


async def test_a_channel_that_the_server_refuses_is_an_error_to_its_subscriber_alone(server: RedisServer) -> None:
    async with connected(server) as client:
        await client.execute_command("ACL", "SETUSER", "limited", "on", ">secret", "+@all", "~*", "resetchannels", "&mine.*")
    async with (
        broadcast_on(f"redis://limited:secret@{server.host}") as broadcast,
        broadcast.subscribe("mine.1") as subscription,
    ):
        with pytest.raises(BroadcastError, match="refuses a subscription to other"):
            await broadcast.subscribe("other").__aenter__()
        with pytest.raises(BroadcastError):
            await broadcast.publish("other", Message("k", b""))
        assert await goes_on(broadcast, "mine.1", subscription) == [0]


async def test_options_of_the_url_do_not_change_what_is_received(server: RedisServer) -> None:
    url = f"{server.url}?decode_responses=True&protocol=3&max_connections=1&socket_timeout=1"
    async with broadcast_on(url) as broadcast, broadcast.subscribe("c") as subscription:
        await asyncio.gather(*(broadcast.publish("c", Message("k", b"\xff")) for _ in range(20)))
        assert await read(subscription) == Message("k", b"\xff")
