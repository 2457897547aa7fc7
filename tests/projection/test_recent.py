"""What builds are held against: an index of recent changes says what looking through all of them would."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from bff.document import Document
from bff.projection.dependencies import Dependencies, QueryRead
from bff.projection.recent import Mark, RecentChanges
from bff.query import PATH, And, Compare, Cursor, Op, Order, Query
from bff.types import Timepoint

VALUES = st.sampled_from(["a", "b", 1, True, None, ["a"], ["b", 1]])
COLLECTIONS = st.sampled_from(["tickets", "users/u1/tickets", "users"])
DATA = st.none() | st.fixed_dictionaries({}, optional={"meeting": VALUES, "rank": st.integers(0, 3)})
WHERES = st.none() | st.one_of(
    st.builds(Compare, st.just("meeting"), st.just(Op.EQ), VALUES),
    st.builds(Compare, st.just("meeting"), st.just(Op.IN), st.just(["a", "b"])),
    st.builds(Compare, st.just("meeting"), st.just(Op.ARRAY_CONTAINS), st.sampled_from(["a", "b", 1])),
    st.builds(Compare, st.just("rank"), st.sampled_from([Op.GE, Op.NE]), st.integers(0, 3)),
    st.just(And((Compare("meeting", Op.EQ, "a"), Compare("rank", Op.LT, 2)))),
)


@st.composite
def reads(draw: st.DrawFn) -> QueryRead:
    group = draw(st.booleans())
    collection = "tickets" if group else draw(COLLECTIONS)
    where = draw(WHERES)
    if draw(st.booleans()) or where is None or isinstance(where, And) or where.field == "rank":
        return QueryRead(Query(collection, where, group=group))
    limited = Query(collection, where, (Order("rank"),), limit=1, group=group)
    end = Cursor((draw(st.integers(0, 3)), f"{collection}/d1"))
    return QueryRead(limited, draw(st.none() | st.just(end.values)))


DEPENDENCIES = st.builds(
    Dependencies,
    st.dictionaries(st.sampled_from(["tickets/d1", "tickets/d2", "users/d1"]), st.just(1), max_size=2),
    st.lists(reads(), max_size=2).map(tuple),
)


@dataclass
class Naive:
    """Keeps every change, and looks through all of them, at each document's last state."""

    changes: list[Document] = field(default_factory=list)

    def touch(self, since: int, timepoint: Timepoint, dependencies: Dependencies) -> bool:
        newest = {document.path: document for document in self.changes[since:]}
        return any(one.update_time > timepoint and dependencies.touched_by(one) for one in newest.values())


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), COLLECTIONS, st.sampled_from(["d1", "d2", "d3"]), DATA),
        st.tuples(st.just("begin")),
        st.tuples(st.just("end"), st.integers(0, 3)),
        st.tuples(st.just("ask"), st.integers(0, 3), st.integers(0, 12), DEPENDENCIES),
    ),
    max_size=25,
)


@settings(max_examples=200)
@given(STEPS)
def test_it_says_what_looking_through_all_of_them_would(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    recent, naive = RecentChanges(), Naive()
    recent.following = True
    marks: list[tuple[Mark, int]] = [(recent.begin(), 0)]
    for kind, *rest in steps:
        if kind == "change":
            collection, id, data = rest
            document = Document(f"{collection}/{id}", data, len(naive.changes) + 1)
            recent.add(document)
            naive.changes.append(document)
        elif kind == "begin":
            marks.append((recent.begin(), len(naive.changes)))
        elif kind == "end" and len(marks) > 1:
            recent.end(marks.pop(rest[0] % len(marks))[0])
        elif kind == "ask":
            mark, since = marks[rest[0] % len(marks)]
            assert recent.touch(mark, rest[1], rest[2]) is naive.touch(since, rest[1], rest[2])
    for mark, _ in marks:
        recent.end(mark)
    assert not recent._changes
    assert not recent._by_token


def test_a_state_that_is_nobodys_any_more_touches_nothing() -> None:
    recent = RecentChanges()
    recent.following = True
    mark = recent.begin()
    read = Dependencies({}, (QueryRead(Query("tickets", Compare("meeting", Op.EQ, "a"))),))
    recent.add(Document("tickets/t", {"meeting": "a"}, 5))
    assert recent.touch(mark, 4, read) is True
    recent.add(Document("tickets/t", {"meeting": "b"}, 6))
    assert recent.touch(mark, 4, read) is False


def test_the_same_document_again_and_again_takes_one_place() -> None:
    recent = RecentChanges(limit=2)
    recent.following = True
    mark = recent.begin()
    for time in range(1, 100):
        recent.add(Document("users/u", {}, time))
    assert recent.touch(mark, 0, Dependencies({"users/v": 1})) is False
    assert recent.touch(mark, 0, Dependencies({"users/u": 1})) is True


def test_by_path_the_query_reads_what_is_up_to_its_end() -> None:
    read = QueryRead(Query("tickets", Compare(PATH, Op.GE, "tickets/b"), limit=1), ("tickets/c",))
    assert [one for one in "abcd" if read.reads(Document(f"tickets/{one}", {}, 1))] == ["b", "c"]
