"""What an operation selects of a stored value, compiled: from what is stored to JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2s
from typing import Any, TypeAlias

from bff.model.view_model import ViewModel
from bff.projection.stored_view import StoredView
from bff.resolvers.plan.leaves import Complete
from bff.resolvers.plan.planning import Unanswerable
from bff.resolvers.plan.texts import keep, write
from bff.resolvers.plan.walk import Walk
from bff.types import GeoPoint

__all__ = [
    "NULL",
    "Field",
    "Linked",
    "Out",
    "Plain",
    "Run",
    "Selected",
    "ViewSelection",
    "Write",
    "digest",
    "fields_of",
    "projection",
]

Out: TypeAlias = list[bytes]

Write: TypeAlias = Callable[[Any, Walk, Out], None]
"""Writes what a stored value is shown as. Raises Unanswerable."""

NULL = b"null"


@dataclass(frozen=True, slots=True)
class Plain:
    """A value beneath which there are no links. ``shape`` says what is selected of it: the same text for the same selection."""

    complete: Complete
    shape: str = ""
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Linked:
    """A value beneath which there are links."""

    write: Write


Selected: TypeAlias = Plain | Linked


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object: how the response calls it, how the document does, and what is selected of it."""

    response: str
    name: str
    selected: Selected


def digest(text: str) -> bytes:
    """What stands for a selection wherever its texts are kept."""
    return blake2s(text.encode(), digest_size=16).digest()


def projection(fields: Sequence[Field]) -> Plain:
    """An object of fields without links."""
    plain = tuple((one.response, one.name, one.selected) for one in fields if isinstance(one.selected, Plain))
    steps = tuple((response, name, selected.complete) for response, name, selected in plain)

    def complete(source: Any) -> Any:
        # The class of nearly all of them, told four times as fast as an abstract one.
        if type(source) is dict or isinstance(source, Mapping):
            return {response: step(source.get(name)) for response, name, step in steps}
        if isinstance(source, GeoPoint):
            return {response: step(getattr(source, name, None)) for response, name, step in steps}
        raise Unanswerable(f"{type(source).__name__} is no object")

    shape = "{" + " ".join(f"{response}:{name}{selected.shape}" for response, name, selected in plain) + "}"
    repeats = len({name for _, name, _ in plain}) < len(plain) or any(selected.repeats for _, _, selected in plain)
    return Plain(complete, shape, repeats)


class Run:
    """Fields without links that stand side by side, with the bracket or the comma before them."""

    __slots__ = ("_complete", "_lead", "_repeats", "key")

    def __init__(self, type_: str, lead: bytes, fields: Sequence[Field]) -> None:
        plain = projection(fields)
        self._lead = lead
        self._complete = plain.complete
        self.key = digest(f"{lead.decode()}{type_}{plain.shape}")
        self._repeats = plain.repeats

    def write(self, source: Any, walk: Walk, out: Out) -> None:
        out.append(self.text(source))

    def text(self, source: Any) -> bytes:
        """Of a nested value, which has no memory of its own."""
        return self._lead + write(self._complete(source))[1:-1]

    def text_of(self, stored: StoredView) -> bytes:
        text = stored.texts.get(self.key)
        if text is None:
            text = self.text(stored.document)
            keep(stored.texts, self.key, text, repeats=self._repeats)
        return text


Part: TypeAlias = Run | tuple[bytes, str, Write]
"""Fields without links, or one with links: the bytes before its value, its name in the document, and how its value is written."""


def fields_of(type_: str, fields: Sequence[Field]) -> tuple[Part, ...]:
    """The parts of an object that has links beneath it."""
    parts: list[Part] = []
    run: list[Field] = []

    def lead() -> bytes:
        return b"," if parts else b"{"

    for one in fields:
        if isinstance(one.selected, Plain):
            run.append(one)
            continue
        if run:
            parts.append(Run(type_, lead(), run))
            run = []
        parts.append((lead() + b'"%s":' % one.response.encode(), one.name, one.selected.write))
    if run:
        parts.append(Run(type_, lead(), run))
    return tuple(parts)


@dataclass(frozen=True, slots=True)
class ViewSelection:
    """What is selected of a view of one type.

    ``plain`` says that there are no links beneath it: then it is one text for each state, and ``text`` is it.
    """

    view: type[ViewModel]
    plain: bool
    shape: str
    repeats: bool
    _key: bytes
    _complete: Complete
    _parts: tuple[Part, ...] = field(repr=False)

    @classmethod
    def of(cls, view: type[ViewModel], fields: Sequence[Field]) -> ViewSelection:
        name = view.__view__.name
        if all(isinstance(one.selected, Plain) for one in fields):
            plain = projection(fields)
            shape = name + plain.shape
            return cls(view, True, shape, plain.repeats, digest(shape), plain.complete, ())
        return cls(view, False, "", False, b"", _no_text, fields_of(name, fields))

    def text(self, stored: StoredView) -> bytes:
        """The view as JSON, where ``plain``. Raises Unanswerable."""
        text = stored.texts.get(self._key)
        if text is None:
            text = write(self._complete(stored.document))
            keep(stored.texts, self._key, text, repeats=self.repeats)
        return text

    def once(self, stored: StoredView) -> bytes:
        """As ``text``, for who remembers what is made of it."""
        return stored.texts.get(self._key) or write(self._complete(stored.document))

    def write_all(self, stored: Iterable[StoredView], walk: Walk, out: Out) -> None:
        """Write views that there are, as a list. Raises Unanswerable."""
        if self.plain:
            key, text = self._key, self.text
            out += (b"[", b",".join([one.texts.get(key) or text(one) for one in stored]), b"]")
            return
        lead = b"["
        for one in stored:
            out.append(lead)
            self.write(one, walk, out)
            lead = b","
        out.append(b"[]" if lead == b"[" else b"]")

    def write(self, stored: StoredView, walk: Walk, out: Out) -> None:
        """Write a view that there is. Raises Unanswerable."""
        if self.plain:
            out.append(stored.texts.get(self._key) or self.text(stored))
            return
        document = stored.document
        assert document is not None, "whoever shows a view has seen that there is one"
        texts = stored.texts
        for part in self._parts:
            if isinstance(part, tuple):
                lead, name, write_field = part
                out.append(lead)
                write_field(document.get(name), walk, out)
            else:
                out.append(texts.get(part.key) or part.text_of(stored))
        out.append(b"}")


def _no_text(source: Any) -> Any:
    raise AssertionError("a view with links beneath it has no text of its own")
