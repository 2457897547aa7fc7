"""Bodies, heads and frames that are too large, too deep or not what they say, sent to a real server.

CWE-400, CWE-409 (compression bombs), CWE-444 (request smuggling), CWE-674 (recursion), CWE-770, CWE-789; OWASP API4:2023.
That the server holds none of it is read off the peak of its memory.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator

import pytest

from bff.testing.graphql_ws import GraphQLWSClient
from tests.security.wire import bounded, connected, frame, handshake, upgraded
from tests.serve import BffServer

pytestmark = pytest.mark.anyio

MB = 1024 * 1024
HUGE = 60 * MB
ROOM = 24 * MB
"""What a server may take meanwhile: a body up to its limit in a few forms, and what Python itself takes."""

DEEP = 100_000


async def alive(server: BffServer) -> None:
    """Others are answered."""
    async with GraphQLWSClient.to_url(f"ws://127.0.0.1:{server.port}/graphql") as client:
        await client.init()
        assert await client.execute("{ __typename }") == {"data": {"__typename": "Query"}}


def head(*lines: str, path: str = "/graphql") -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: city.test", "Content-Type: application/json", *lines, "", ""]).encode()


def repeated(part: bytes, size: int) -> Iterator[bytes]:
    for _ in range(size // len(part)):
        yield part


async def test_cwe_770_a_body_of_60_mb_is_413(server: BffServer) -> None:
    with bounded(server, ROOM):
        async with connected(server) as peer:
            await peer.send(head(f"Content-Length: {HUGE}"))
            await peer.send(repeated(b" " * 65536, HUGE))
            assert (await peer.reply()).status == 413
    await alive(server)


async def test_cwe_770_a_body_of_60_mb_in_chunks_is_413(server: BffServer) -> None:
    with bounded(server, ROOM):
        async with connected(server) as peer:
            await peer.send(head("Transfer-Encoding: chunked"))
            await peer.send(repeated(b"10000\r\n" + b" " * 65536 + b"\r\n", HUGE))
            assert (await peer.reply()).status == 413
    await alive(server)


@pytest.mark.parametrize("open", ["[", '{"a":'])
@pytest.mark.parametrize("close", [True, False])
async def test_cwe_674_a_body_100_000_deep_is_400(server: BffServer, open: str, close: bool) -> None:
    deep = open * DEEP + ("1" if open != "[" else "") + ("]" if open == "[" else "}") * (DEEP if close else 0)
    for body in (deep, '{"query": "{ __typename }", "variables": {"a": ' + deep + "}}"):
        async with connected(server) as peer:
            await peer.send(head(f"Content-Length: {len(body)}") + body.encode())
            assert (await peer.reply()).status == 400
    await alive(server)


@pytest.mark.parametrize("open", ["{a", "{a(b:[", "{a(b:{c:", "query($a:["])
async def test_cwe_674_a_document_as_deep_as_it_may_be_long_is_refused(server: BffServer, open: str) -> None:
    """graphql-core's parser recurses: what is deeper than Python's stack is the client's error."""
    for times in (500, 65_000 // len(open)):
        body = json.dumps({"query": open * times}).encode()
        async with connected(server) as peer:
            await peer.send(head("Accept: application/graphql-response+json", f"Content-Length: {len(body)}") + body)
            reply = await peer.reply()
            assert reply.status == 400
            assert b"INTERNAL" not in reply.body
    await alive(server)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "GZIP", "identity, gzip", "x-nonsense"])
async def test_cwe_409_a_compressed_body_is_415_and_not_unpacked(server: BffServer, coding: str) -> None:
    with bounded(server, ROOM):
        body = gzip.compress(b" " * HUGE) if coding != "deflate" else zlib.compress(b" " * HUGE)
        async with connected(server) as peer:
            await peer.send(head(f"Content-Encoding: {coding}", f"Content-Length: {len(body)}") + body)
            assert (await peer.reply()).status == 415
        async with connected(server) as peer:
            await peer.send(
                head("Content-Encoding: identity", f"Content-Encoding: {coding}", f"Content-Length: {len(body)}") + body
            )
            assert (await peer.reply()).status in (400, 415)


async def test_cwe_770_a_frame_of_60_mb_closes_its_socket(server: BffServer) -> None:
    with bounded(server, ROOM):
        async with upgraded(server) as peer:
            await peer.send(frame(b" " * 65536, length=HUGE))
            await peer.send(repeated(b" " * 65536, HUGE))
            assert await peer.closed() in (1009, 1006)
        async with upgraded(server) as peer:
            await peer.send(frame(b"", length=HUGE))
            assert await peer.closed() == 1009
    await alive(server)


async def test_cwe_770_a_message_of_60_mb_in_small_frames_closes_its_socket(server: BffServer) -> None:
    with bounded(server, ROOM):
        async with upgraded(server) as peer:
            await peer.send(frame(b" " * 60_000, final=False))
            await peer.send(repeated(frame(b" " * 60_000, 0, final=False), HUGE))
            assert await peer.closed() in (1009, 1006)
    await alive(server)


@pytest.mark.parametrize("open", ["[", '{"a":'])
async def test_cwe_674_a_frame_100_000_deep_closes_its_socket(server: BffServer, open: str) -> None:
    async with upgraded(server) as peer:
        await peer.send(frame(open.encode() * DEEP))
        assert await peer.closed() == 4400
    await alive(server)


async def test_cwe_409_a_deflate_bomb_closes_its_socket(deflating: BffServer) -> None:
    """60 MB that are 60 kB on the wire, in one frame and in several."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -12)
    packed = compressor.compress(b" " * HUGE) + compressor.flush(zlib.Z_SYNC_FLUSH)
    packed = packed.removesuffix(b"\x00\x00\xff\xff")
    with bounded(deflating, ROOM):
        async with upgraded(deflating, deflate=True) as peer:
            await peer.send(frame(packed, packed=True))
            assert await peer.closed() == 1009
        async with upgraded(deflating, deflate=True) as peer:
            parts = [packed[at : at + 500] for at in range(0, len(packed), 500)]
            await peer.send(frame(parts[0], packed=True, final=False))
            await peer.send(frame(part, 0, final=False) for part in parts[1:])
            assert await peer.closed() in (1009, 1006)
    await alive(deflating)


async def test_cwe_409_a_compressed_frame_that_was_not_agreed_on_closes_its_socket(server: BffServer) -> None:
    async with upgraded(server) as peer:
        await peer.send(frame(b"x", packed=True))
        assert await peer.closed() == 1002
    await alive(server)


@pytest.mark.parametrize("line", [b"X-A: " + b"a" * 60_000, b"X-A: b\r\n" * 8_000, None], ids=["long", "many", "address"])
async def test_cwe_770_a_head_of_60_mb_is_refused(server: BffServer, line: bytes | None) -> None:
    with bounded(server, ROOM):
        async with connected(server) as peer:
            if line is None:
                await peer.send(b"GET /graphql?query=")
                assert not await peer.send(repeated(b"a" * 65536, HUGE))
            else:
                await peer.send(b"GET /graphql HTTP/1.1\r\nHost: city.test\r\n")
                assert not await peer.send(repeated(line.removesuffix(b"\r\n") + b"\r\n", HUGE))
    async with connected(server) as peer:
        await peer.send(b"GET /graphql HTTP/1.1\r\nHost: city.test\r\n" + b"X-A: b\r\n" * 10_000)
        assert (await peer.reply()).status == 431
    await alive(server)


async def test_cwe_770_pings_of_a_peer_that_does_not_read_are_not_piled_up(server: BffServer) -> None:
    """Control frames are answered below the session, whose bounds they must not go round."""
    pings = frame(b"p" * 125, 9) * 500
    with bounded(server, ROOM // 3):
        async with upgraded(server) as peer:
            peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
            # It reads no more of them.
            assert not await peer.send_within(1, (pings for _ in range(HUGE // len(pings))))
            peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
            await peer.send(frame(b'{"type": "ping"}'))
            assert await peer.text() == b'{"type":"pong"}'
    await alive(server)


async def test_cwe_770_what_stands_behind_a_body_is_bounded_and_no_header(server: BffServer) -> None:
    """Trailers, and extensions of chunks."""
    whole = b'{"query": "{ noteView(id: \\"n0\\") { text } __typename }"}'
    body = b"%x\r\n%b\r\n0\r\n" % (len(whole), whole)
    with bounded(server, ROOM):
        for part in (b"X-A: " + b"a" * 60_000 + b"\r\n", b"X-A: b\r\n" * 8_000, b"a" * 65536):
            async with connected(server) as peer:
                await peer.send(head("Transfer-Encoding: chunked") + body + (b"X-A: " if part[:1] == b"a" else b""))
                assert not await peer.send(repeated(part, HUGE))
        async with connected(server) as peer:
            await peer.send(head("Transfer-Encoding: chunked") + b"5;")
            assert not await peer.send(repeated(b"a" * 65536, HUGE))
    async with connected(server) as peer:
        # Nobody: 401 would say that it was taken for a token.
        await peer.send(head("Transfer-Encoding: chunked") + body)
        await peer.send(b"Authorization: Bearer nonsense\r\n\r\n")
        assert (await peer.reply()).status == 200


async def test_cwe_779_text_that_is_no_utf_8_closes_its_socket_and_is_no_exception_in_the_log(server: BffServer) -> None:
    for more in (b"", frame(b"\x03\xe8", 8)):
        async with upgraded(server) as peer:
            await peer.send(frame(b'{"type":"\xff"}') + more)
            assert await peer.closed() == (1000 if more else 1007)
    await alive(server)


async def test_cwe_1385_a_foreign_page_that_opens_a_socket_is_no_error_in_the_log(server: BffServer) -> None:
    for origin in (b"https://evil.example", b"null", b"http://["):
        async with connected(server) as peer:
            await peer.send(handshake()[:-2] + b"Origin: " + origin + b"\r\n\r\n")
            assert (await peer.reply()).status == 403
            assert await peer.reader.read() == b""


async def test_cwe_444_a_length_and_chunks_are_not_both_believed(server: BffServer) -> None:
    body = b'{"query": "{ __typename }"}'
    smuggled = b"0\r\n\r\nPOST /graphql HTTP/1.1\r\nHost: x\r\n\r\n"
    for lines in (
        (f"Content-Length: {len(smuggled)}", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        (f"Content-Length: {len(body)}", "Content-Length: 5"),
        ("Content-Length: +27",),
        ("Transfer-Encoding : chunked",),
    ):
        async with connected(server) as peer:
            await peer.send(head(*lines) + smuggled)
            assert (await peer.reply()).status == 400, lines
            assert await peer.reader.read() == b"", "and the connection is over"


@pytest.mark.parametrize("path", [b"/graphql\xff", b"/gr\xc3\xa4ph", b"/graphql?a=\xff", b"/graphql?%ff", b"/%ff%00"])
async def test_cwe_20_an_address_that_is_no_ascii_is_the_clients_error(server: BffServer, path: bytes) -> None:
    for request in (handshake(path=path), b"GET " + path + b" HTTP/1.1\r\nHost: city.test\r\n\r\n"):
        async with connected(server) as peer:
            await peer.send(request)
            assert (await peer.reply()).status in (0, 101, 400, 403, 404)
    await alive(server)
