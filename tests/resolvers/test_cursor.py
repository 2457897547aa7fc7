"""Cursors hold any value that one can order by, and give nothing away that breaks a datastore."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.errors import BadUserInput
from bff.query import PATH, Cursor, Direction, Order
from bff.resolvers.cursor import decode_cursor, encode_cursor

ORDERS = (Order("a"), Order("b", Direction.DESCENDING), Order(PATH, Direction.DESCENDING))
NUMBERS = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
MOMENTS = st.datetimes().map(lambda moment: moment.replace(tzinfo=UTC))
VALUES = st.none() | NUMBERS | MOMENTS | st.binary() | st.text(st.characters(codec="utf-8"))


@given(VALUES, VALUES)
def test_every_position_comes_back(a: Any, b: Any) -> None:
    cursor = encode_cursor("books", ORDERS, {"id": "k", "a": a, "b": b, "c": 1})
    assert decode_cursor("books", ORDERS, cursor, "after") == Cursor((a, b, "books/k"))
    assert cursor.replace("-", "").replace("_", "").isalnum()


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_whatever_a_client_sends_is_a_cursor_or_bad_input(text: str) -> None:
    with pytest.raises(BadUserInput):
        decode_cursor("books", ORDERS, text, "after")


@given(st.data())
def test_a_cursor_that_was_changed_is_a_cursor_or_bad_input(data: st.DataObject) -> None:
    cursor = encode_cursor("books", ORDERS, {"id": "k", "a": datetime(2026, 1, 1, tzinfo=UTC), "b": 1})
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=="))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = decode_cursor("books", ORDERS, base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("="), "after")
    except BadUserInput:
        return
    assert len(found.values) == 3


@pytest.mark.parametrize(
    ("collection", "orders"),
    [("films", ORDERS), ("books", ORDERS[:1] + ORDERS[2:]), ("books", (Order("a", Direction.DESCENDING), *ORDERS[1:]))],
)
def test_it_is_of_one_list_in_one_order(collection: str, orders: tuple[Order, ...]) -> None:
    cursor = encode_cursor("books", ORDERS, {"id": "k", "a": 1, "b": 2})
    with pytest.raises(BadUserInput, match="another list, or of this one in another order"):
        decode_cursor(collection, orders, cursor, "before")
