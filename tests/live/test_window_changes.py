"""Changes of a window: applied one after another they make the new one of the old one, with as few moves as can be."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from bff.live.changes import Change, ChangeKind, Held, changes
from bff.live.window_token import MAX_CHARACTERS, decode_window, encode_window
from bff.projection.stored_view import StoredView

IDENTITY = b"twelve bytes"


def view(key: str, version: int = 1) -> StoredView:
    return StoredView("Board", key, version, {"id": key, "version": version})


def held(keys: str) -> Held:
    return tuple((key, 1) for key in keys)


def apply(window: list[tuple[str, int]], change: Change) -> None:
    """What a client does; and what the change says of the neighbours is so."""
    keys = [key for key, _ in window]
    if change.kind is ChangeKind.REMOVED:
        del window[keys.index(str(change.key))]
        assert (change.previous, change.next, change.view) == (None, None, None)
        return
    assert change.view is not None
    now = (str(change.key), change.view.version)
    if change.kind is ChangeKind.MODIFIED:
        window[keys.index(now[0])] = now
    else:
        if change.kind is ChangeKind.MOVED:
            del window[keys.index(now[0])]
        else:
            assert now[0] not in keys
        place = 0 if change.previous is None else [key for key, _ in window].index(change.previous) + 1
        window.insert(place, now)
    place = window.index(now)
    assert change.previous == (window[place - 1][0] if place else None)
    assert change.next == (window[place + 1][0] if place + 1 < len(window) else None)


def kinds(made: Sequence[Change]) -> list[str]:
    return [f"{change.kind} {change.key}" for change in made]


def test_what_goes_goes_first_then_from_the_first_place_to_the_last() -> None:
    made = changes(held("abcde"), [view("x"), view("c", 2), view("e"), view("d"), view("y")])
    assert kinds(made) == ["REMOVED a", "REMOVED b", "ADDED x", "MODIFIED c", "MOVED e", "ADDED y"]


def test_nothing_has_changed() -> None:
    assert changes(held("abc"), [view(key) for key in "abc"]) == []


def test_one_that_moves_moves_alone() -> None:
    assert kinds(changes(held("abcdef"), [view(key) for key in "fabcde"])) == ["MOVED f"]
    assert kinds(changes(held("abcdef"), [view(key) for key in "bcdefa"])) == ["MOVED a"]


def test_of_two_that_could_move_the_one_that_has_changed_does() -> None:
    """The other takes no event then."""
    assert kinds(changes(held("ab"), [view("b", 2), view("a")])) == ["MOVED b"]
    assert kinds(changes(held("ab"), [view("b"), view("a", 2)])) == ["MOVED a"]


def longest_increasing(places: Sequence[int]) -> int:
    tails: list[int] = []
    for place in places:
        at = bisect_left(tails, place)
        tails[at:] = [place, *tails[at + 1 :]]
    return len(tails)


windows = st.lists(st.sampled_from("abcdefghijkl"), unique=True).flatmap(
    lambda keys: st.tuples(*(st.tuples(st.just(key), st.integers(1, 2)) for key in keys))
)


@given(windows, windows)
def test_applied_in_order_they_make_the_new_window_with_as_few_moves_as_can_be(before: Held, after: Held) -> None:
    made = changes(before, [view(key, version) for key, version in after])
    window = list(before)
    for change in made:
        apply(window, change)
    assert tuple(window) == after
    places = {key: place for place, (key, _) in enumerate(before)}
    stayed = [places[key] for key, _ in after if key in places]
    moved = [change for change in made if change.kind is ChangeKind.MOVED]
    assert len(moved) == len(stayed) - longest_increasing(stayed)
    assert len({change.key for change in made}) == len(made)


def test_a_window_that_is_turned_round_takes_no_time() -> None:
    keys = [f"k{number}" for number in range(500)]
    made = changes(tuple((key, 1) for key in keys), [view(key) for key in reversed(keys)])
    assert len(made) == 499


# --- Versions of a window


@given(windows, st.dictionaries(st.sampled_from("abc"), st.text(min_size=1, max_size=4)))
def test_a_version_says_what_is_held_and_the_marks_of_it(window: Held, marks: dict[str, str]) -> None:
    text = encode_window(IDENTITY, window, marks)
    assert text is not None
    keys = {key for key, _ in window}
    assert decode_window(IDENTITY, text, 12) == (window, {key: mark for key, mark in marks.items() if key in keys})


def test_a_version_of_another_list_or_of_more_than_can_be_is_none() -> None:
    text = encode_window(IDENTITY, held("abc"))
    assert text is not None
    assert decode_window(b"other bytes!", text, 3) is None
    assert decode_window(IDENTITY, text, 2) is None


@given(st.text() | st.binary().map(lambda raw: raw.hex()))
def test_what_is_no_version_is_none(text: str) -> None:
    assert decode_window(IDENTITY, text, 500) is None


@given(windows, st.data())
def test_a_version_that_is_damaged_is_none_or_says_the_same(window: Held, data: st.DataObject) -> None:
    text = encode_window(IDENTITY, window)
    assert text is not None
    at = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:at] + data.draw(st.sampled_from(["", "A", "_", "é", " ", "=", "AAAA"])) + text[at + 1 :]
    assert decode_window(IDENTITY, damaged, 12) in (None, (window, {}))


def test_a_window_of_500_fits_and_one_of_the_longest_keys_is_not_told() -> None:
    usual = tuple((f"m-{number * 7919 % 100_000}", 1_767_225_600_000_000 + number * 1_234_567) for number in range(500))
    text = encode_window(IDENTITY, usual, {key: "0123456789ab" for key, _ in usual})
    assert text is not None
    assert decode_window(IDENTITY, text, 500) is not None
    longest = tuple((str(number) + "ä" * 700, number) for number in range(500))
    text = encode_window(IDENTITY, longest)
    assert text is None or len(text) <= MAX_CHARACTERS
