"""Whatever changes, the last result of a subscription is what a query answers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bff.datastore.port import Delete
from bff.model.domain_model import DomainModel
from tests.resolvers.offices import Desk, Member, Team
from tests.resolvers.screens import DEEP, office, screen, settled, write

IDS = st.sampled_from(["a", "b", "c"])
REFS = st.none() | IDS.map(Member.ref)
DESKS = st.none() | st.sampled_from(["d1", "d2", "home"]).map(Desk.ref)
CHANGES: st.SearchStrategy[DomainModel | Delete | str] = st.one_of(
    st.builds(lambda name, lead, of: Team(id="t", name=name, lead=lead, members=of), IDS, REFS, st.lists(IDS.map(Member.ref))),
    st.builds(
        lambda id, name, desk, boss: Member(id=id, name=name, desk=desk, boss=boss), IDS, st.sampled_from("xyz"), DESKS, REFS
    ),
    st.builds(lambda id, place: Desk(id=id, place=place), st.sampled_from(["d1", "d2", "home"]), st.sampled_from(["x", "y"])),
    st.sampled_from(["teams/t", "members/a", "members/b", "desks/d1", "desks/home"]).map(Delete),
    st.sampled_from(["settle", "turn"]),
)


async def scenario(url: str, changes: list[DomainModel | Delete | str]) -> None:
    async with office(url) as running, screen(running, DEEP) as opened:
        made = 0
        for change in changes:
            if change == "settle":
                await settled(running)
            elif isinstance(change, str):
                await asyncio.sleep(0)
            else:
                made += 1
                await write(running, change)
        await opened.shows_the_present()
        # Two states may look the same, and the second one come a moment later: this one looks like no other.
        await write(running, Team(id="t", name="the last", lead=Member.ref("ann"), members=[Member.ref("bob")]))
        made += 1
        await opened.shows_the_present()
        # Nothing comes after what is there already.
        last = len(opened.results)
        await settled(running)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(opened.results) == last
        # Each change is one of one view: no state is shown twice.
        assert last <= made + 1
        hub = running.runtime.hub
        assert hub is not None
        assert hub.subscriptions == 1 + opened.followed
    assert hub.subscriptions == 0


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CHANGES, max_size=15))
def test_the_last_result_is_what_a_query_answers(tmp_path: Path, changes: list[Any]) -> None:
    asyncio.run(scenario(f"sqlite:///{tmp_path / uuid4().hex}.db", changes))


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CHANGES, max_size=10))
def test_the_last_result_is_what_a_query_answers_on_firestore(firestore_emulator: str, changes: list[Any]) -> None:
    asyncio.run(scenario(f"firestore://test-{uuid4().hex[:16]}?emulator={firestore_emulator}", changes))
