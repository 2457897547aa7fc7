"""A query is always found by what becomes a result of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bff.document import Document
from bff.matching import matches
from bff.projection.dependencies import QueryRead
from bff.projection.query_codec import dump_query, load_query
from bff.projection.tokens import Shape, document_tokens, query_tokens
from bff.query import PATH, And, Compare, Cursor, Filter, Op, Or, Order, Query
from bff.values import dump_document, load_document

SCALARS = st.sampled_from([None, True, False, 0, 1, 1.0, 2.5, float("nan"), "", "a", "1", "x" * 300, b"a"])
ARRAYS = st.lists(SCALARS, max_size=3)
FIELDS = st.sampled_from(["a", "b", "map.c"])


def documents() -> st.SearchStrategy[Document]:
    data = st.dictionaries(st.sampled_from(["a", "b"]), SCALARS | ARRAYS, max_size=2)
    nested = st.tuples(data, st.dictionaries(st.just("c"), SCALARS, max_size=1))
    return st.builds(
        lambda path, both: Document(path, {**both[0], "map": both[1]}, 1),
        st.sampled_from(["items/1", "items/2", "users/u/items/1"]),
        nested,
    )


def compares() -> st.SearchStrategy[Filter]:
    return st.one_of(
        st.builds(Compare, FIELDS, st.just(Op.EQ), SCALARS),
        st.builds(Compare, FIELDS, st.sampled_from([Op.IN, Op.ARRAY_CONTAINS_ANY]), st.lists(SCALARS, min_size=1, max_size=3)),
        st.builds(Compare, FIELDS, st.just(Op.ARRAY_CONTAINS), SCALARS),
        st.builds(Compare, FIELDS, st.sampled_from([Op.GE, Op.LT]), st.sampled_from([1, "a"])),
        st.builds(Compare, st.just(PATH), st.just(Op.EQ), st.sampled_from(["items/1", "items/2"])),
    )


FILTERS: st.SearchStrategy[Filter] = st.recursive(
    compares(),
    lambda inner: (
        st.builds(And, st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(Or, st.lists(inner, min_size=1, max_size=3).map(tuple))
    ),
    max_leaves=4,
)
QUERIES = st.one_of(
    st.builds(Query, st.sampled_from(["items", "users/u/items"]), FILTERS | st.none()),
    st.builds(lambda where: Query("items", where, group=True), FILTERS | st.none()),
)


@given(QUERIES, documents())
def test_a_result_shares_a_token_with_its_query(query: Query, document: Document) -> None:
    tokens = query_tokens(query)
    if query.selects(document) and matches(query.where, document):
        assert document_tokens(document, tokens.values()) & set(tokens)


@given(QUERIES)
def test_a_query_survives_being_stored(query: Query) -> None:
    stored = load_document(dump_document(dump_query(query)))
    assert repr(load_query(stored)) == repr(query)


def test_orders_limits_and_cursors_survive_being_stored() -> None:
    query = Query(
        "items",
        Compare("a", Op.EQ, 1),
        (Order("b"),),
        5,
        Cursor((1, "items/1"), inclusive=True),
        Cursor(("x",)),
    )
    assert load_query(dump_query(query)) == query


def test_equalities_make_the_token_and_one_element_each_of_arrays() -> None:
    """The token of a query says what its results are equal in; documents have one for each shape."""
    query = Query("tickets", And((Compare("meeting", Op.EQ, "meetings/m1"), Compare("seats", Op.GT, 3))))
    assert query_tokens(query) == {"tickets?meeting=meetings/m1": Shape("tickets", False, ("meeting",))}
    tagged = Query("tickets", Compare("tags", Op.ARRAY_CONTAINS, "red"))
    [(token, shape)] = query_tokens(tagged).items()
    assert token == "tickets?tags[]=red"
    document = Document("tickets/1", {"meeting": "meetings/m2", "tags": ["red", "blue"]}, 1)
    assert document_tokens(document, [shape]) == {"tickets?tags[]=red", "tickets?tags[]=blue"}


def test_a_document_behind_the_last_result_of_a_full_limit_is_not_read() -> None:
    """With `limit 2` and results 1 and 3, a 2 comes in and a 4 does not."""
    query = Query("items", None, (Order("rank"),), 2)
    found = [Document("items/a", {"rank": 1}, 1), Document("items/c", {"rank": 3}, 1)]
    read = QueryRead.of(query, found)
    assert read.reads(Document("items/b", {"rank": 2}, 2))
    assert not read.reads(Document("items/d", {"rank": 4}, 2))
    assert QueryRead.of(query, found[:1]).reads(Document("items/d", {"rank": 4}, 2))
