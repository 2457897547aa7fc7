"""Reading a part of a stored document: SQLite takes the fields out of its text, so that the rest is not decoded."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from bff.types import Value
from bff.values import load_document, load_value

__all__ = ["Part", "part_of"]

SIMPLE = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
"""A name that is in the text as it is. How SQLite reads others in a path depends on its version."""

SMALL_BYTES = 1000
"""Documents that are decoded sooner than taken apart."""

HAS_ARROW = sqlite3.sqlite_version_info >= (3, 38)
"""Whether SQLite has ``->``, which gives a value as JSON: https://www.sqlite.org/json1.html#jptr"""


@dataclass(frozen=True, slots=True)
class Part:
    """What is read of each document: these top-level fields, or all of it where that is None."""

    fields: tuple[str, ...] | None

    def columns(self, data: str) -> str:
        """What a SELECT has at its end, for the column ``data``."""
        if self.fields is None:
            return f", {data}"
        if not self.fields:
            return ""
        text = f"CAST(substr({data}, 2) AS TEXT)"  # without the first byte, which is no JSON
        is_small = f"length({data}) < {SMALL_BYTES}"
        # One that is wrapped as a whole comes as a whole: ``bff.values.dump_document``.
        whole = f"CASE WHEN {is_small} OR {text} -> '$.\"$map\"' IS NOT NULL THEN {data} END"
        parts = (f"CASE WHEN NOT {is_small} THEN {text} -> '$.\"{field}\"' END" for field in self.fields)
        return "".join(f", {column}" for column in (whole, *parts))

    def load(self, cells: Sequence[Any]) -> dict[str, Value]:
        """The data of a row, from the cells of these columns."""
        if self.fields is None:
            return load_document(cells[0])
        if not cells:
            return {}
        if cells[0] is not None:
            return load_document(cells[0])
        found = zip(self.fields, cells[1:], strict=True)
        return {field: load_value(text) for field, text in found if text is not None}


WHOLE = Part(None)


def part_of(fields: Collection[str] | None) -> Part:
    """The part that has at least these fields."""
    if fields is None or not (HAS_ARROW or not fields) or not all(map(SIMPLE.fullmatch, fields)):
        return WHOLE
    return Part(tuple(sorted(set(fields))))
