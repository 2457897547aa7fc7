"""What a slow subscriber has not read is bounded, and a loss is said once."""

from __future__ import annotations

import asyncio

import pytest

from bff.broadcast.envelope import open_envelope, seal
from bff.broadcast.mailbox import Mailbox
from bff.broadcast.port import RESYNC, Message

pytestmark = pytest.mark.anyio


async def unread(mailbox: Mailbox) -> list[object]:
    """Everything there is to read."""
    items: list[object] = []
    while True:
        reading = asyncio.ensure_future(anext(mailbox))
        await asyncio.sleep(0)
        if not reading.done():
            reading.cancel()
            return items
        items.append(reading.result())


async def test_a_later_message_supersedes_an_unread_one_in_its_place() -> None:
    mailbox = Mailbox()
    for message in (Message("a", b"1"), Message("b", b"1"), Message("a", b"2")):
        mailbox.put(message)
    assert await unread(mailbox) == [Message("a", b"2"), Message("b", b"1")]


async def test_one_of_a_lower_rank_supersedes_nothing() -> None:
    mailbox = Mailbox()
    for message in (Message("a", b"1", 2), Message("a", b"2", 1), Message("a", b"3", 2)):
        mailbox.put(message)
    assert await unread(mailbox) == [Message("a", b"3", 2)]


async def test_a_message_that_was_read_is_superseded_no_more() -> None:
    mailbox = Mailbox()
    mailbox.put(Message("a", b"1"))
    assert await unread(mailbox) == [Message("a", b"1")]
    mailbox.put(Message("a", b"2"))
    assert await unread(mailbox) == [Message("a", b"2")]


async def test_over_its_bound_it_becomes_one_resync_and_takes_what_comes_after() -> None:
    mailbox = Mailbox(max_messages=3)
    for number in range(9):
        mailbox.put(Message(str(number), b""))
    assert await unread(mailbox) == [RESYNC, Message("8", b"")]


async def test_superseding_costs_no_room() -> None:
    mailbox = Mailbox(max_messages=3, max_bytes=100)
    for number in range(1000):
        mailbox.put(Message(str(number % 3), bytes(30)))
    assert len(await unread(mailbox)) == 3


async def test_its_bytes_are_bounded_too() -> None:
    mailbox = Mailbox(max_bytes=100)
    mailbox.put(Message("a", bytes(60)))
    mailbox.put(Message("b", bytes(60)))
    assert await unread(mailbox) == [RESYNC]
    mailbox.put(Message("a", bytes(60)))
    assert await unread(mailbox) == [Message("a", bytes(60))]
    mailbox.put(Message("a", bytes(101)))
    assert await unread(mailbox) == [RESYNC]


async def test_gaps_that_nobody_has_read_of_are_one() -> None:
    mailbox = Mailbox()
    mailbox.put(Message("a", b""))
    mailbox.resync()
    mailbox.resync()
    assert await unread(mailbox) == [RESYNC, Message("a", b"")]


async def test_closing_ends_whoever_waits_and_whoever_comes() -> None:
    mailbox = Mailbox()
    waiting = asyncio.ensure_future(anext(mailbox, "end"))
    await asyncio.sleep(0)
    mailbox.close()
    mailbox.put(Message("a", b""))
    assert await waiting == "end"
    assert [item async for item in mailbox] == []


@pytest.mark.parametrize("message", [Message("", b""), Message("ä:🎈", bytes(range(256)))])
def test_an_envelope_holds_what_was_put_in(message: Message) -> None:
    assert open_envelope(seal(message)) == message


@pytest.mark.parametrize(
    "raw", [b"", b"\x01\x00\x00", b"\x02\x00\x00\x00\x00", b"\x01\x00\x00\x00\x02a", b"\x01\x00\x00\x00\x01\xff"]
)
def test_what_is_no_envelope_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - UnicodeDecodeError is one
        open_envelope(raw)
