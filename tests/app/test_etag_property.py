"""Whatever happens to what a client holds: 304 says that it is what an execution gives."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.app.league import QUERIES, Player, Team, get, running

changes = st.one_of(
    st.tuples(st.just("rename team"), st.integers(0, 2), st.integers(0, 3)),
    st.tuples(st.just("rename player"), st.integers(0, 4), st.integers(0, 3)),
    st.tuples(st.just("goals"), st.integers(0, 4), st.integers(0, 2)),
    st.tuples(st.just("move"), st.integers(0, 4), st.integers(0, 3)),
    st.tuples(st.just("drop player"), st.integers(0, 4), st.just(0)),
    st.tuples(st.just("drop team"), st.integers(0, 2), st.just(0)),
    st.tuples(st.just("look"), st.just(0), st.just(0)),
)


async def change(kind: str, which: int, value: int) -> None:
    team, player = f"t{which}", f"p{which}"
    match kind:
        case "rename team":
            await Team(id=team, name=f"Team {value}").save()
        case "rename player" | "goals" | "move":
            found = await Player.get(player) or Player(id=player, name="new")
            if kind == "rename player":
                found.name = f"Player {value}"
            elif kind == "goals":
                found.goals = value
            else:
                found.team = None if value == 3 else Team.ref(f"t{value}")
            await found.save()
        case "drop player" | "drop team":
            dropped = await (Player.get(player) if kind == "drop player" else Team.get(team))
            if dropped is not None:
                await dropped.delete()


@pytest.mark.parametrize("role", ["all", "web"])
def test_whenever_304_is_answered_the_client_holds_what_an_execution_gives(role: str) -> None:
    """With a projector, and where views are only ever built when they are asked for and missing."""
    seen = {200: 0, 304: 0}

    async def live(steps: list[tuple[str, int, int]]) -> None:
        async with running(role=role) as (harness, _):
            held: dict[str, tuple[str, bytes]] = {}
            for kind, which, value in steps:
                await change(kind, which, value)
                if role == "all":
                    await harness.settled()
                for query, variables in QUERIES:
                    before = held.get(query)
                    response = await get(harness, query, variables, None if before is None else before[0])
                    executed = await get(harness, query, variables)
                    seen[response.status_code] += 1
                    if response.status_code == 304:
                        assert before is not None
                        assert before[1] == executed.content
                    elif "etag" in response.headers:
                        assert response.content == executed.content
                        held[query] = response.headers["etag"], response.content
                        assert before is None or before[1] != response.content or before[0] != response.headers["etag"]

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(changes, min_size=1, max_size=8))
    def run(steps: list[tuple[str, int, int]]) -> None:
        asyncio.run(live(steps))

    run()
    assert seen[304] > 0
    assert seen[200] > 0
