"""The entries that are kept for whoever asks next, though nobody may look at them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

import orjson

from bff.live.entry import Entry
from bff.projection.stored_view import StoredView

__all__ = ["Kept", "weight"]

BARE_BYTES = 1_000
"""What an entry takes without its document: itself, its state, its places in the dictionaries."""

BYTES_IN_MEMORY = 4
"""How many bytes a byte of JSON takes as Python objects, about."""


class Kept:
    """At most ``most`` entries, of at most ``most_bytes`` together as ``weight`` has it; the least recently used ones go first.

    ``on_forget`` is told of each that is kept no more. One that somebody looks at stays with them, and is only no longer counted.
    """

    def __init__(self, most: int, most_bytes: int, on_forget: Callable[[Entry], None]) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._on_forget = on_forget
        self._entries: OrderedDict[Entry, None] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries))

    def use(self, entry: Entry) -> None:
        """It was asked for: it is kept, and goes last."""
        entry.used = True
        state = entry.state
        if entry.kept is None:
            entry.kept = self
            self._entries[entry] = None
            entry.weight = 0
            self.weigh(entry)
            return
        self._entries.move_to_end(entry)
        # What it was written as since it was weighed is held by its state as well.
        if state is not None and state.texts.last is not entry.text:
            self.weigh(entry)

    def use_all(self, entries: Sequence[Entry]) -> None:
        """As ``use``, for many at once."""
        move = self._entries.move_to_end
        others: list[Entry] = []
        for entry in entries:
            state = entry.state
            if entry.kept is None or state is None or state.texts.last is not entry.text:
                others.append(entry)
            else:
                entry.used = True
                move(entry)
        # To weigh one may be to let go of another one of these: who has gone is not kept again.
        for entry in others:
            if entry.kept is not None or entry.slots:
                self.use(entry)

    def weigh(self, entry: Entry) -> None:
        """Its state is another, or holds more: count it anew, and let others go for it."""
        before, entry.weight = entry.weight, weight(entry.state)
        entry.text = None if entry.state is None else entry.state.texts.last
        self.bytes += entry.weight - before
        while len(self._entries) > self._most or self.bytes > self._most_bytes:
            self.forget(next(iter(self._entries)))

    def forget(self, entry: Entry) -> None:
        """It is kept no more."""
        if entry.kept is not None:
            entry.kept = None
            del self._entries[entry]
            self.bytes -= entry.weight
            self._on_forget(entry)

    def clear(self) -> None:
        """Nothing is kept any more."""
        for entry in self:
            self.forget(entry)


def weight(state: StoredView | None) -> int:
    """How many bytes of memory an entry with this state takes, about: its document as objects, and what it was written as."""
    if state is None or state.document is None:
        return BARE_BYTES
    try:
        length = len(orjson.dumps(state.document, default=repr))
    except orjson.JSONEncodeError:  # such as an integer that JSON has no room for
        length = len(repr(state.document))
    return BARE_BYTES + BYTES_IN_MEMORY * length + state.texts.length
