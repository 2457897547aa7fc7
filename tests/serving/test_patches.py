"""Patches lead from what the client holds to what is, whatever the two are."""

from __future__ import annotations

from typing import Any

import jsonpatch
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from bff.serving.limits import Limits
from bff.serving.patches import Patches

names = st.text("ab/~0é", max_size=3)
scalars = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, 1.5, -0.5]) | names
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(names, inner, max_size=4), max_leaves=25
)
"""Small values, so that equal ones, and those that Python takes for equal (1, 1.0, true), stand in many places."""


def same(left: Any, right: Any) -> bool:
    """As JSON, where 1 and true differ."""
    return orjson.dumps(left, option=orjson.OPT_SORT_KEYS) == orjson.dumps(right, option=orjson.OPT_SORT_KEYS)


class Client:
    """Holds what a client holds that does what results say."""

    def __init__(self) -> None:
        self.data: Any = None
        self.version: str | None = None
        self.patched = 0

    def take(self, result: dict[str, Any]) -> None:
        told = result.get("extensions", {}).get("bff", {})
        if "patch" in told:
            assert told["from"] == self.version
            self.data = jsonpatch.apply_patch(self.data, told["patch"])
            self.patched += 1
        else:
            self.data = result["data"]
        self.version = told.get("version")


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(documents, st.sampled_from(["sent", "errors", "no version"])), max_size=8), st.sampled_from([20, 10_000])
)
def test_the_client_holds_every_result(states: list[tuple[Any, str]], longest: int) -> None:
    patches, client = Patches(None, Limits(patch_bytes=longest)), Client()
    for number, (value, how) in enumerate(states):
        data = {"field": value}
        payload: dict[str, Any] = {"data": data, "extensions": {"other": 1}}
        if how == "errors":
            payload["errors"] = [{"message": "no"}]
        result = orjson.loads(orjson.dumps(patches.apply(payload, None if how == "no version" else str(number))))
        client.take(result)
        assert same(client.data, data)
        assert result["extensions"]["other"] == 1
        assert ("errors" in result) == (how == "errors")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 30), max_size=20, unique=True), st.data())
def test_a_list_that_is_changed_here_and_there_is_a_short_patch(ids: list[int], data: st.DataObject) -> None:
    rows = [{"id": id, "title": f"what number {id} is about, at length"} for id in ids]
    patches, client = Patches(None, Limits()), Client()
    client.take(patches.apply({"data": {"rows": rows}}, "0"))
    for version in range(1, 5):
        rows = list(rows)
        place = data.draw(st.integers(0, len(rows)))
        match data.draw(st.sampled_from(["insert", "remove", "move"])):
            case "insert":
                rows.insert(place, {"id": 100 + version, "title": "one that was not there before"})
            case "remove" if rows:
                rows.pop(place - 1)
            case "move" if rows:
                rows.insert(place, rows.pop(data.draw(st.integers(0, len(rows) - 1))))
        sent = patches.apply({"data": {"rows": rows}}, str(version))
        client.take(sent)
        assert same(client.data, {"rows": rows})
        if len(rows) > 5:
            assert len(sent["extensions"]["bff"]["patch"]) <= 2


def test_what_was_left_out_is_held_only_where_it_is_the_very_version() -> None:
    for since, patched in (("1", True), ("2", False)):
        patches = Patches(since, Limits())
        patches.skip({"data": {"rows": [1] * 50}}, "1")
        result = patches.apply({"data": {"rows": [1] * 51}}, "3")
        assert ("data" not in result) == patched


def test_a_patch_that_not_every_client_applies_is_not_sent() -> None:
    """npm's fast-json-patch looks where a move leads to before it has moved, in the item in front: here that has no list."""
    moved = {"id": "1", "text": "what was said first, and is an answer now", "answers": None}
    before = {
        "said": [moved, {"id": "2", "text": "said later " * 9, "answers": None}, {"id": "3", "text": "last", "answers": []}]
    }
    after = {"said": [before["said"][1], {"id": "3", "text": "last", "answers": [moved]}]}
    patches = Patches(None, Limits())
    patches.apply({"data": before}, "1")
    assert patches.apply({"data": after}, "2") == {"data": after, "extensions": {"bff": {"version": "2"}}}
