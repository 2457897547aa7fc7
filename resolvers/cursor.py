"""Cursors of lists: a position in an order, whatever is written before or after it."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

from bff.document import join_path
from bff.errors import BadUserInput
from bff.model.view_definition import BESIDE
from bff.query import PATH, Cursor, Order
from bff.types import Value
from bff.values import dump_document, load_document

__all__ = ["decode_cursor", "encode_cursor"]

MAX_LENGTH = 10_000


def encode_cursor(collection: str, orders: Sequence[Order], document: Mapping[str, Value]) -> str:
    """Where a stored view stands: the values it is ordered by and its key, opaque to clients."""
    values: list[Value] = [document["id"] if order.field == PATH else document[order.field] for order in orders]
    raw = dump_document({"o": _signature(collection, orders), "v": values})
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode_cursor(collection: str, orders: Sequence[Order], cursor: str, argument: str) -> Cursor:
    """The position. Raises BadUserInput where the cursor is not one, or is one of another order."""
    try:
        if len(cursor) > MAX_LENGTH:
            raise ValueError("too long")
        content = load_document(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        signature, values = content["o"], content["v"]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, binascii.Error):
        raise BadUserInput(f"{argument}: {cursor[:40]!r} is not a cursor of this list", [argument]) from None
    if signature != _signature(collection, orders):
        raise BadUserInput(f"{argument}: the cursor is of another list, or of this one in another order", [argument])
    if not isinstance(values, list) or len(values) != len(orders) or not all(isinstance(value, PLAIN) for value in values):
        raise BadUserInput(f"{argument}: {cursor[:40]!r} is not a cursor of this list", [argument])
    position = [
        join_path(collection, str(value)) if order.field == PATH else value for order, value in zip(orders, values, strict=True)
    ]
    return Cursor(tuple(position))


PLAIN = (bool, int, float, str, bytes, datetime, type(None))


def _signature(collection: str, orders: Sequence[Order]) -> str:
    """What makes a cursor this list's and this order's."""
    # The same list, whichever definition it is stored by.
    text = "\n".join([collection.partition(BESIDE)[0], *(f"{order.field} {order.direction.value}" for order in orders)])
    return hashlib.blake2s(text.encode(), digest_size=6).hexdigest()
