"""How a view as it is stored differs from what is built of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bff.types import Value
from bff.values import MISSING, Missing, changed_fields

__all__ = ["Difference", "differences"]

LONGEST_TEXT = 200


@dataclass(frozen=True, slots=True)
class Difference:
    """A field by its document name, as it is stored and as it is built. MISSING where the document has none."""

    field: str
    stored: Value | Missing
    built: Value | Missing

    def __str__(self) -> str:
        return f"{self.field}: {_text(self.stored)} → {_text(self.built)}"

    def to_data(self) -> dict[str, Value]:
        """For programs; what is missing is not there."""
        sides = {"stored": self.stored, "built": self.built}
        return {"field": self.field, **{name: value for name, value in sides.items() if not isinstance(value, Missing)}}


def differences(stored: Mapping[str, Value] | None, built: Mapping[str, Value] | None) -> tuple[Difference, ...]:
    """The fields in which they differ, by name. The version is none of them: it says when, not what."""
    before = {name: value for name, value in (stored or {}).items() if name != "version"}
    after = built or {}
    return tuple(
        Difference(name, before.get(name, MISSING), after.get(name, MISSING)) for name in sorted(changed_fields(before, after))
    )


def _text(value: Value | Missing) -> str:
    text = "(nothing)" if isinstance(value, Missing) else repr(value)
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
