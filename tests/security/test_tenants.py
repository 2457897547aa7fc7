"""Two tenants of one app: nothing that the one is sent has anything of the other in it.

CWE-639, CWE-200, CWE-524 (caches), CWE-488 (data of another session); OWASP API1:2023 and API3:2023.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import time
import uuid

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from bff.projection.audience import Audience
from tests.faults.chaos import scaled
from tests.security.city import TOKENS, marked, marks_in
from tests.security.tenants import Asked, World, rounds

logger = logging.getLogger(__name__)

OPERATIONS = {"sqlite": scaled(600, 100_000), "firestore": scaled(150, 2_000)}
EXAMPLES = {"sqlite": scaled(40, 500), "firestore": scaled(10, 100)}
EACH = (("post", "notes"), ("socket", "watch notes"), ("stream", "watch notes"), ("parts", "watch notes"))
"""Of each way one question that everybody has an answer to."""


@pytest.fixture(params=["sqlite", "firestore"])
def places(request: pytest.FixtureRequest) -> tuple[str, str, str]:
    """A datastore by its kind, its URL, and that of the broadcast beside it: SQLite and memory, or Firestore and Redis."""
    if request.param == "sqlite":
        return "sqlite", "sqlite://", "memory://"
    emulator = request.getfixturevalue("firestore_emulator")
    return "firestore", f"firestore://tenants-{uuid.uuid4().hex[:12]}?emulator={emulator}", request.getfixturevalue("redis_url")


@pytest.mark.timeout(scaled(120, 7200))
# graphql-core leaves coroutines behind where a field beside them fails at once, which a long run comes upon.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_cwe_639_no_byte_of_one_tenant_reaches_the_other(places: tuple[str, str, str]) -> None:
    """By id, in lists, by links, live, by mutations, ETags, keys, hashes and tokens of streams, while readers change."""
    kind, *urls = places
    with asyncio.Runner() as loop:
        entering = World.running(*urls)
        world = loop.run(entering.__aenter__())  # type: ignore[arg-type]
        try:

            @settings(
                max_examples=EXAMPLES[kind],
                deadline=None,
                database=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
                phases=[Phase.explicit, Phase.generate],
            )
            @given(rounds())
            def play(asked: list[list[Asked]]) -> None:
                loop.run(world.play(asked))

            began = time.monotonic()
            # Where somebody was sent nothing of their own in some way, nothing is shown of that way.
            loop.run(
                world.play(
                    [[Asked(token, way, name, 0, 0) for tokens in TOKENS.values() for token in tokens] for way, name in EACH]
                )
            )
            unseen = _unseen(world)
            assert not unseen, unseen
            while world.done < OPERATIONS[kind]:
                # Others each time, also where hypothesis makes the same for the same test, as it does under CI.
                seed(world.done)(play)()
            logger.info("%d operations in %.0f s: %s", world.done, time.monotonic() - began, dict(world.tap.own))
        finally:
            loop.run(entering.__aexit__(None, None, None))


def _unseen(world: World) -> set[tuple[str, str]]:
    """The tenants' users who were sent nothing of their own, with the way in which they were not."""
    ways = ("http", "websocket", "text/event-stream", "multipart/mixed")
    everybody = (token for tokens in TOKENS.values() for token in tokens)
    return {(token, way) for token in everybody for way in ways if not world.tap.own[token, way]}


@pytest.mark.parametrize("name", ["note", "notes", "watch notes", "block"])
def test_what_is_sent_is_really_looked_at(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An app that shows everything to everybody is found out, by one operation."""
    monkeypatch.setattr(Audience, "shown", lambda self, view, state: state)
    monkeypatch.setattr(Audience, "may_read", lambda self, view, state: True)
    monkeypatch.setattr(Audience, "restricted", lambda self, view, query: query)

    async def play() -> None:
        async with World.running() as world:
            with pytest.raises(AssertionError, match="WestQxZ"):
                await world.play([[Asked("east-sam", "socket", name, 1, 0)]])

    asyncio.run(play())


def test_marks_are_found_wherever_they_are() -> None:
    mark = marked("west").encode()
    twice = base64.b64encode(b'{"c":"' + base64.urlsafe_b64encode(b'["' + mark + b'"]'))
    for sent in (mark, mark.upper(), base64.urlsafe_b64encode(b'["a", "' + mark + b'", "n1"]'), twice):
        assert marks_in(b'{"cursor": "' + sent + b'"}') == {"west"}
    assert marks_in(b"nothing of anybody") == set()
