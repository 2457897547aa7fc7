"""Compressed responses, where they pay."""

from __future__ import annotations

import gzip
from typing import Any

import brotli
import pytest

from bff.serving.compression import MINIMUM_BYTES, THREAD_BYTES, Compression, preferred_encoding
from bff.serving.negotiation import negotiate_encoding
from bff.testing.graphql_http import GraphQLHTTPClient

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("accept_encoding", "encoding"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("gzip", "gzip"),
        ("br", "br"),
        ("gzip, deflate, br, zstd", "br"),
        ("GZIP", "gzip"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("br;q=0, gzip", "gzip"),
        ("*", "br"),
        ("*;q=0", None),
        ("br;q=0, *", "gzip"),
        ("gzip;q=0.5, identity;q=1", None),
        ("gzip;q=0.5, identity;q=0.5", "gzip"),
        ("deflate, zstd", None),
        ("gzip;q=nonsense", None),
    ],
)
def test_the_client_says_which(accept_encoding: str | None, encoding: str | None) -> None:
    assert negotiate_encoding(accept_encoding, ("br", "gzip")) == encoding
    assert preferred_encoding(accept_encoding) == encoding


@pytest.mark.parametrize("size", [MINIMUM_BYTES, THREAD_BYTES + 1])
@pytest.mark.parametrize(("encoding", "decode"), [("br", brotli.decompress), ("gzip", gzip.decompress)])
async def test_it_is_the_same_underneath(encoding: str, decode: Any, size: int) -> None:
    body = b"[" + b"1," * (size // 2)
    compressed = await Compression(1_000_000).compress(body, encoding)
    assert len(compressed) < len(body)
    assert decode(compressed) == body


@pytest.mark.parametrize("size", [MINIMUM_BYTES, THREAD_BYTES + 1])
async def test_the_same_answer_is_compressed_once(size: int) -> None:
    compression = Compression(1_000_000)
    bodies = [bytes([letter]) * size for letter in b"abc"]
    first = [await compression.compress(body, "br") for body in bodies]
    for body, compressed in zip(bodies, first, strict=True):
        assert compression.at_hand(bytes(bytearray(body)), "br") is compressed
    assert await compression.compress(bodies[0], "gzip") != first[0]


async def test_what_is_kept_compressed_is_bounded() -> None:
    compression = Compression(10_000)
    for number in range(100):
        await compression.compress(b"%d" % number * 500, "gzip")
        assert compression._bytes <= 10_000
        assert compression._bytes == sum(len(body) + len(compressed) for (_, body), compressed in compression._kept.items())
    assert compression._kept
    await compression.compress(b"long" * 500, "gzip")
    assert ("gzip", b"long" * 500) not in compression._kept


async def test_only_what_is_long_enough(serve: Any) -> None:
    async with GraphQLHTTPClient(serve(), headers={"accept-encoding": "gzip"}) as client:
        short = await client.http.post("/graphql", json={"query": "{ big(size: 100) }"})
        assert "content-encoding" not in short.headers
        long = await client.http.post("/graphql", json={"query": "{ big(size: 5000) }"})
        assert long.headers["content-encoding"] == "gzip"
        assert int(long.headers["content-length"]) < 200
        assert long.json() == {"data": {"big": "x" * 5000}}
        for response in (short, long):
            assert "Accept-Encoding" in response.headers["vary"]


async def test_errors_are_compressed_too(serve: Any) -> None:
    async with GraphQLHTTPClient(serve(), headers={"accept-encoding": "br"}) as client:
        many = "{" + " ".join(f"nope{number}" for number in range(20)) + "}"
        response = await client.http.post("/graphql", json={"query": many})
        assert response.headers["content-encoding"] == "br"
        assert response.json()["errors"]


async def test_it_can_be_left_to_a_proxy(serve: Any) -> None:
    async with GraphQLHTTPClient(serve(compression=False), headers={"accept-encoding": "gzip"}) as client:
        response = await client.http.post("/graphql", json={"query": "{ big(size: 5000) }"})
        assert "content-encoding" not in response.headers
