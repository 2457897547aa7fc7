"""What a Listen stream tells, made into changes: fed with messages that the emulator never sends, too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from bff.datastore.firestore.listen_state import CHUNK, HEARTBEAT_ID, MOST_HELD, ListenState, Resync, TargetRemoved
from bff.datastore.firestore.protos import ListenResponse
from bff.datastore.firestore.wire import Names, encode_fields, timestamp
from bff.datastore.port import Changes, ResumePoint, Target
from bff.document import Document

NAMES = Names("projects/p/databases/(default)")
HEARTBEAT = "_bff_heartbeats/h"
SHIPS, PORTS = Target("ships"), Target("ports")
SHIPS_ID, PORTS_ID = 2, 3
NO_CHANGE, ADD, REMOVE, CURRENT, RESET = range(5)


def change(kind: int, *ids: int, at: int = 0, token: bytes = b"", code: int = 0, message: str = "") -> Any:
    response = ListenResponse()
    told = response.target_change
    told.target_change_type = kind
    told.target_ids.extend(ids)
    if at:
        told.read_time.CopyFrom(timestamp(at))
    told.resume_token = token
    if code:
        told.cause.code, told.cause.message = code, message
    response.target_change.SetInParent()
    return response


def present(path: str, at: int, *ids: int, **data: int) -> Any:
    response = ListenResponse()
    document = response.document_change.document
    document.name = NAMES.full(path)
    document.update_time.CopyFrom(timestamp(at))
    encode_fields(data, document.fields)
    response.document_change.target_ids.extend(ids or (SHIPS_ID,))
    return response


def deleted(path: str, at: int, *ids: int) -> Any:
    response = ListenResponse()
    response.document_delete.document = NAMES.full(path)
    response.document_delete.read_time.CopyFrom(timestamp(at))
    response.document_delete.removed_target_ids.extend(ids or (SHIPS_ID,))
    return response


def removed(path: str, at: int, *ids: int) -> Any:
    response = ListenResponse()
    response.document_remove.document = NAMES.full(path)
    response.document_remove.read_time.CopyFrom(timestamp(at))
    response.document_remove.removed_target_ids.extend(ids or (SHIPS_ID,))
    return response


def counted(count: int, id: int = SHIPS_ID) -> Any:
    response = ListenResponse()
    response.filter.target_id, response.filter.count = id, count
    return response


def consistent(at: int, token: bytes = b"") -> Any:
    return change(NO_CHANGE, at=at, token=token or f"token {at}".encode())


def feed(state: ListenState, *responses: Any) -> list[Changes]:
    return [told for response in responses if (told := state.receive(response)) is not None]


def paths(changes: Changes) -> dict[str, int]:
    """Path → update time, negative for what is gone."""
    return {one.path: one.update_time if one.exists else -one.update_time for one in changes.documents}


def listening(targets: Iterable[Target] = (SHIPS,), since: ResumePoint | None = None) -> ListenState:
    return ListenState(tuple(targets), NAMES, since, HEARTBEAT)


def followed(*ships: str, targets: Iterable[Target] = (SHIPS,)) -> ListenState:
    """A listener that has been told of these ships, all written at 10, and is consistent at 20."""
    state = listening(targets)
    state.open()
    [changes] = feed(state, *(present(path, 10) for path in ships), change(CURRENT), consistent(20))
    assert changes.reset
    return state


def test_it_begins_with_everything_once_every_target_is_current() -> None:
    state = listening([SHIPS, PORTS])
    assert [(added.id, added.target, added.token, added.read_time) for added in state.open()] == [
        (SHIPS_ID, SHIPS, b"", None),
        (PORTS_ID, PORTS, b"", None),
    ]
    early = [change(ADD, SHIPS_ID), present("ships/a", 10, n=1), change(CURRENT, SHIPS_ID), consistent(20)]
    assert feed(state, *early) == []
    assert feed(state, present("ports/x", 11, PORTS_ID), change(CURRENT, PORTS_ID), consistent(21)) == []
    [changes] = feed(state, change(CURRENT, HEARTBEAT_ID), consistent(22))
    assert changes.reset
    assert changes.documents == (Document("ships/a", {"n": 1}, 10), Document("ports/x", {}, 11))
    assert changes.resume is not None
    assert changes.resume.timepoint == 22


def test_changes_are_told_whole_at_a_consistency_point() -> None:
    state = followed("ships/a", "ships/b")
    assert feed(state, present("ships/a", 30), deleted("ships/b", 31), change(NO_CHANGE, SHIPS_ID, at=31)) == []
    [changes] = feed(state, present("ships/c", 30), consistent(32))
    assert not changes.reset
    assert paths(changes) == {"ships/a": 30, "ships/c": 30, "ships/b": -31}


def test_a_consistency_point_without_documents_moves_the_resume_point() -> None:
    [changes] = feed(followed("ships/a"), consistent(40))
    assert (changes.documents, changes.reset) == ((), False)
    assert changes.resume is not None
    assert changes.resume.timepoint == 40


def test_the_newest_state_of_a_batch_is_told_once() -> None:
    state = followed()
    responses = [present("ships/a", 30, n=1), present("ships/a", 31, n=2), deleted("ships/b", 30), present("ships/b", 32)]
    [changes] = feed(state, *responses, consistent(33))
    assert paths(changes) == {"ships/a": 31, "ships/b": 32}


def test_heartbeats_are_not_told() -> None:
    state = followed()
    [changes] = feed(state, present(HEARTBEAT, 30, HEARTBEAT_ID), consistent(31))
    assert changes.documents == ()
    [changes] = feed(state, deleted(HEARTBEAT, 32, HEARTBEAT_ID), consistent(33))
    assert changes.documents == ()


# --- Resuming


def test_the_resume_point_of_one_listener_is_the_beginning_of_another() -> None:
    [changes] = feed(followed("ships/a"), consistent(40, b"secret"))
    resumed = listening(since=changes.resume)
    assert [(added.token, added.read_time) for added in resumed.open()] == [(b"secret", None)]
    [changes] = feed(resumed, present("ships/b", 50), change(CURRENT), consistent(51))
    assert not changes.reset
    assert paths(changes) == {"ships/b": 50}


def test_a_timepoint_alone_is_a_read_time() -> None:
    state = listening(since=ResumePoint(77))
    assert [(added.token, added.read_time) for added in state.open()] == [(b"", 77)]


@pytest.mark.parametrize("token", ["unknown.dG9rZW4=", "garbage", "."])
def test_a_token_of_other_targets_begins_with_everything(token: str) -> None:
    state = listening(since=ResumePoint(77, token))
    assert [(added.token, added.read_time) for added in state.open()] == [(b"", None)]
    [changes] = feed(state, change(CURRENT), consistent(80))
    assert changes.reset


def test_a_stream_that_is_opened_again_goes_on_where_the_last_one_was_consistent() -> None:
    state = followed("ships/a")
    assert feed(state, present("ships/a", 30)) == []  # and then the connection is lost
    assert [added.token for added in state.open()] == [b"token 20"]
    [changes] = feed(state, present("ships/a", 30), change(CURRENT), consistent(40))
    assert not changes.reset
    assert paths(changes) == {"ships/a": 30}, "what had come but was not told comes again"


def test_a_resend_that_is_cut_off_begins_again() -> None:
    state = listening()
    state.open()
    [part] = feed(state, *(present(f"ships/{n}", 10) for n in range(CHUNK)))
    assert (part.reset, part.resume, len(part.documents)) == (True, None, CHUNK)
    assert [added.token for added in state.open()] == [b""]
    [changes] = feed(state, present("ships/1", 10), change(CURRENT), consistent(20))
    assert changes.reset
    assert paths(changes) == {"ships/1": 10}


def test_a_large_resend_is_told_in_parts() -> None:
    state = listening()
    state.open()
    many = [present(f"ships/{n}", 10) for n in range(2 * CHUNK + 5)]
    told = feed(state, *many, change(CURRENT), consistent(20))
    assert [(len(part.documents), part.reset, part.resume is None) for part in told] == [
        (CHUNK, True, True),
        (CHUNK, False, True),
        (5, False, False),
    ]


def test_what_is_deleted_within_a_large_resend_is_told_as_gone() -> None:
    state = listening()
    state.open()
    told = feed(state, *(present(f"ships/{n}", 10) for n in range(CHUNK)))
    told += feed(state, change(RESET, SHIPS_ID), *(present(f"ships/{n}", 10) for n in range(1, CHUNK)))
    told += feed(state, change(CURRENT), consistent(20))
    last = {}
    for part in told:
        last.update(paths(part))
    assert last["ships/0"] == -20
    assert sum(at > 0 for at in last.values()) == CHUNK - 1


def test_more_changes_than_can_be_held_become_a_resend() -> None:
    state = followed("ships/a")
    with pytest.raises(Resync):
        feed(state, *(present(f"ships/{n}", 30) for n in range(MOST_HELD)))
    assert [added.token for added in state.open()] == [b""]


# --- RESET


def test_a_reset_of_a_known_target_tells_the_difference_only() -> None:
    state = followed("ships/a", "ships/b", "ships/c")
    resent = [change(RESET, SHIPS_ID), present("ships/a", 10), present("ships/b", 30), present("ships/d", 30)]
    assert feed(state, *resent, consistent(31)) == [], "not before it is current again"
    [changes] = feed(state, change(CURRENT, SHIPS_ID), consistent(32))
    assert not changes.reset
    assert paths(changes) == {"ships/b": 30, "ships/d": 30, "ships/c": -32}


def test_a_reset_forgets_what_was_waiting() -> None:
    state = followed("ships/a")
    waiting = [present("ships/new", 30), deleted("ships/a", 31)]
    [changes] = feed(state, *waiting, change(RESET), present("ships/a", 32), change(CURRENT), consistent(33))
    assert paths(changes) == {"ships/a": 32}, "ships/new is gone again, and never was for the listener"


def test_a_reset_after_a_reset_begins_again() -> None:
    state = followed("ships/a", "ships/b")
    responses = [change(RESET), present("ships/a", 10), change(RESET), present("ships/b", 10), change(CURRENT), consistent(30)]
    [changes] = feed(state, *responses)
    assert paths(changes) == {"ships/a": -30}


def test_a_reset_of_one_target_leaves_the_others_alone() -> None:
    state = listening([SHIPS, PORTS])
    state.open()
    begin = [present("ships/a", 10), present("ports/x", 10, PORTS_ID), change(CURRENT), consistent(20)]
    feed(state, *begin)
    responses = [present("ports/y", 29, PORTS_ID), change(RESET, SHIPS_ID), change(CURRENT, SHIPS_ID), consistent(30)]
    [changes] = feed(state, *responses)
    assert paths(changes) == {"ships/a": -30, "ports/y": 29}


def test_a_resumed_listener_that_is_sent_everything_says_so() -> None:
    """The emulator answers every token with a RESET of each target, one after the other."""
    [changes] = feed(followed("ships/a", targets=[SHIPS, PORTS]), consistent(40))
    state = listening([SHIPS, PORTS], changes.resume)
    state.open()
    ships = [change(RESET, SHIPS_ID), present("ships/a", 10), present("ships/b", 50), change(CURRENT, SHIPS_ID), consistent(60)]
    ports = [change(RESET, PORTS_ID), present("ports/x", 10, PORTS_ID), change(CURRENT, PORTS_ID), consistent(61)]
    assert feed(state, *ships, *ports) == []
    [changes] = feed(state, change(CURRENT, HEARTBEAT_ID), consistent(62))
    assert changes.reset
    assert paths(changes) == {"ships/a": 10, "ships/b": 50, "ports/x": 10}


def test_a_resumed_listener_of_which_only_some_is_sent_again_asks_for_everything() -> None:
    """It does not know what the target held before, and a resend is of everything or of nothing."""
    state = listening([SHIPS, PORTS], ResumePoint(77))
    state.open()
    with pytest.raises(Resync):
        feed(state, change(RESET, SHIPS_ID), present("ships/a", 10), change(CURRENT), consistent(90))
    assert [(added.token, added.read_time) for added in state.open()] == [(b"", None), (b"", None)]
    [changes] = feed(state, present("ships/a", 10), change(CURRENT), consistent(100))
    assert changes.reset


# --- FILTER


def test_a_filter_that_agrees_changes_nothing() -> None:
    state = followed("ships/a", "ships/b")
    [changes] = feed(state, deleted("ships/a", 30), present("ships/c", 30), counted(2), consistent(31))
    assert paths(changes) == {"ships/a": -30, "ships/c": 30}


def test_a_filter_that_disagrees_has_the_target_sent_again_and_tells_the_difference() -> None:
    state = followed("ships/a", "ships/b", targets=[SHIPS, PORTS])
    with pytest.raises(Resync):
        feed(state, counted(1))
    assert [added.token for added in state.open()] == [b"", b"token 20"], "that target only"
    [changes] = feed(state, present("ships/b", 10), change(CURRENT), consistent(30))
    assert not changes.reset
    assert paths(changes) == {"ships/a": -30}
    assert [added.token for added in state.open()] == [b"token 30", b"token 30"]


def test_a_filter_within_a_resend_counts_what_has_come() -> None:
    state = listening()
    state.open()
    responses = [present("ships/a", 10), present("ships/b", 10), counted(2), change(CURRENT), consistent(20)]
    [changes] = feed(state, *responses)
    assert len(changes.documents) == 2


def test_a_filter_for_a_resumed_listener_has_everything_sent_again() -> None:
    state = listening(since=ResumePoint(77))
    state.open()
    with pytest.raises(Resync):
        feed(state, counted(5))
    assert [(added.token, added.read_time) for added in state.open()] == [(b"", None)]


# --- REMOVE


def test_a_target_that_the_server_gives_up_is_told_with_its_cause() -> None:
    with pytest.raises(TargetRemoved, match="no such luck") as told:
        feed(followed(), change(REMOVE, SHIPS_ID, code=7, message="no such luck"))
    assert (told.value.code, told.value.target) == (7, SHIPS)


# --- Documents that the server cannot follow


def test_a_document_that_the_server_cannot_follow_is_read() -> None:
    state = followed("ships/a", "ships/b")
    [changes] = feed(state, removed("ships/a", 30), removed("ships/b", 30), consistent(31))
    assert changes.documents == ()
    assert state.doubtful == {"ships/a", "ships/b"}
    state.settle([Document("ships/a", None, 31), Document("ships/b", {"n": 2}, 29)])
    assert not state.doubtful
    resent = [change(RESET), present("ships/b", 29, n=2), change(CURRENT), consistent(40)]
    [changes] = feed(state, *resent)
    assert changes.documents == (), "both are known as they were read"


def test_what_comes_after_a_doubt_settles_it() -> None:
    state = followed("ships/a")
    [changes] = feed(state, removed("ships/a", 30), present("ships/a", 31), consistent(32))
    assert not state.doubtful
    assert paths(changes) == {"ships/a": 31}


# --- Targets that hold the same documents


def test_a_document_of_two_targets_is_told_once() -> None:
    state = listening([Target("ships"), Target("ships", group=True)])
    state.open()
    begin = [present("ships/a", 10, SHIPS_ID), present("ships/a", 10, PORTS_ID), change(CURRENT), consistent(20)]
    [changes] = feed(state, *begin)
    assert paths(changes) == {"ships/a": 10}
    one_by_one = [present("ships/a", 30, SHIPS_ID), present("ships/a", 30, PORTS_ID), consistent(31)]
    [changes] = feed(state, *one_by_one)
    assert paths(changes) == {"ships/a": 30}
    again = [change(RESET), present("ships/a", 30, SHIPS_ID), present("ships/a", 30, PORTS_ID), change(CURRENT), consistent(40)]
    [changes] = feed(state, *again)
    assert changes.documents == ()


def test_the_same_target_twice_is_one() -> None:
    assert len(listening([SHIPS, SHIPS]).open()) == 1
