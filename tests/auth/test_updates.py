"""The setters of a view: what somebody may not see, they do not change either."""

from __future__ import annotations

from typing import Any

import pytest

import bff
from bff import Credentials, DomainModel, Principal, Readers, Store, ViewModel, field, reference
from bff.testing.harness import AppHarness

pytestmark = pytest.mark.anyio


class Diary(DomainModel, collection="auth_diaries"):
    owner: str
    text: str = ""
    mood: str | None = None


class DiaryStore(Store):
    diary = reference(Diary)


class DiaryPage(ViewModel):
    store: DiaryStore

    @field
    def text(self) -> str:
        return self.store.diary.text

    @text.setter
    def text(self, value: str) -> None:
        self.store.diary.text = value

    @field(readers=lambda self: Readers.users(self.store.diary.owner))
    def mood(self) -> str | None:
        return self.store.diary.mood

    @mood.setter
    def mood(self, value: str | None) -> None:
        self.store.diary.mood = value

    def readers(self) -> Readers:
        return Readers.users(self.store.diary.owner) | Readers.groups("friends")


def auth(given: Credentials) -> Principal | None:
    if given.token is None:
        return None
    return Principal(id=given.token, groups=frozenset({"friends"} if given.token == "fay" else ()))


async def test_cwe_862_only_readers_change_a_view() -> None:
    async with AppHarness(bff.App(views=[DiaryPage], auth=auth)) as running:
        await Diary(id="d1", owner="ada").save()
        await running.settled()

        async def update(id: str, given: str, who: str | None) -> Any:
            document = f'mutation {{ updateDiaryPage(id: "{id}", input: {{{given}}}) {{ text }} }}'
            return await running.execute(document, headers={} if who is None else {"Authorization": f"Bearer {who}"})

        for who in ("eve", None):
            refused, absent = await update("d1", 'text: "mine"', who), await update("dx", 'text: "mine"', who)
            assert refused["errors"][0]["message"] == absent["errors"][0]["message"].replace("dx", "d1")
            assert refused["errors"][0]["extensions"] == absent["errors"][0]["extensions"] == {"code": "NOT_FOUND"}
        refused = await update("d1", 'text: "ours", mood: "bad"', "fay")
        assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"
        diary = await Diary.get("d1")
        assert diary is not None
        assert (diary.text, diary.mood) == ("", None)
        assert (await update("d1", 'text: "ours"', "fay"))["data"]
        assert (await update("d1", 'mood: "good"', "ada"))["data"]
        diary = await Diary.get("d1")
        assert diary is not None
        assert (diary.text, diary.mood) == ("ours", "good")
