"""Who looks at a view is told of a state once it is stored, and sent it before whoever had it built goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bff.datastore.port import Datastore
from bff.model.view_model import ViewModel
from bff.projection.builder import Builder
from bff.projection.stored_view import StoredView
from bff.types import Timepoint
from tests.projection.support import Course, CoursePage, Teacher, write

pytestmark = pytest.mark.anyio


class Sending:
    """As the hub: what it is told of is sent in the next round of the event loop."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def written(self, view: type[ViewModel], state: StoredView, committed: Timepoint) -> None:
        asyncio.get_running_loop().call_soon(self.done.append, f"{state.key} is sent")

    def seen(self, view: type[ViewModel], state: StoredView) -> None: ...


async def test_a_state_is_sent_before_whoever_had_it_built_goes_on(datastore: Datastore, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = Teacher(id="ann", name="Ann")
    await write(datastore, ann, Course(id="maths", title="Mathematics", teacher=ann.ref))
    builder, sending = Builder(datastore), Sending()
    builder.news.listener = sending
    check = builder._check

    async def checked(*args: Any) -> list[str]:
        sending.done.append("the rest")
        return await check(*args)

    monkeypatch.setattr(builder, "_check", checked)
    await builder.build(CoursePage, ["maths"])
    assert sending.done == ["maths is sent", "the rest"]
