"""Stored views that are ordered and filtered, with commits that have a time; and what a client of a live list does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any

from bff.broadcast.port import Broadcast
from bff.document import Document
from bff.live.announcement import Announcement
from bff.live.changes import Change, ChangeKind
from bff.matching import run
from bff.model.codec import Codec
from bff.projection.reader import Found
from bff.projection.stored_view import StoredView
from bff.query import Compare, Direction, Op, Order, Query
from bff.types import Value
from tests.live.support import CHANNELS

FIELD = SimpleNamespace(document_name="score", codec=Codec.of(int | None, "Score.score", view=True))


class _Score:
    __view__ = SimpleNamespace(
        name="Score", storage="Score", collection="scores", fields={"score": FIELD}, stored={"score": FIELD}
    )

    @staticmethod
    def split_key(key: str) -> None: ...


Score: Any = _Score

LOWEST = Query("scores", Compare("open", Op.EQ, True), (Order("score"),))
HIGHEST = Query("scores", None, (Order("score", Direction.DESCENDING),))

Wait = Callable[[], Awaitable[None]]


async def at_once() -> None: ...


class Table:
    """Versions are older than commits, as a projector's are; each query and read is true at one time, and takes its time."""

    def __init__(self) -> None:
        self.clock = 100
        self.documents: dict[str, Document] = {}
        self.newest: dict[str, int] = {}
        self.queries = 0
        self.reads: list[tuple[str, ...]] = []
        self.before: Wait = at_once
        self.after: Wait = at_once

    def write(self, key: str, score: int | None, *, open: bool = True, late: int = 0) -> Announcement:
        """Commit a view, or with None its removal. What a relay announces of it; its version is ``late`` older."""
        self.clock += 1
        version = max(self.newest.get(key, 0) + 1, self.clock - late)
        self.clock = max(self.clock, version)
        self.newest[key] = version
        if score is None:
            self.documents.pop(key, None)
            return Announcement(key, version, committed=self.clock)
        data: dict[str, Value] = {"id": key, "version": version, "score": score, "open": open}
        self.documents[key] = Document(f"scores/{key}", data, self.clock)
        return Announcement(key, version, data, committed=self.clock)

    def present(self, query: Query, first: int) -> list[tuple[str, int]]:
        """What a fresh query finds: keys and versions."""
        return [(one.id, _version(one)) for one in run(query, self.documents.values())[:first]]

    async def find_at(self, query: Query, view: Any) -> Found:
        self.queries += 1
        await self.before()
        documents, clock = run(query, self.documents.values()), self.clock
        await self.after()
        return Found(documents, [_stored(one.id, one) for one in documents], clock)

    async def read_at(self, view: Any, keys: Sequence[str]) -> Found:
        self.reads.append(tuple(keys))
        await self.before()
        documents = [self.documents.get(key) or Document(f"scores/{key}", None) for key in keys]
        clock = self.clock
        await self.after()
        return Found(documents, [_stored(key, one) for key, one in zip(keys, documents, strict=True)], clock)

    async def read_each(self, view: Any, keys: Sequence[str]) -> list[StoredView]:
        return list((await self.read_at(view, keys)).views)

    async def versions(self, view: Any, keys: Sequence[str]) -> list[int | None]:
        return [self.newest.get(key) for key in keys]


def _version(document: Document) -> int:
    assert document.data is not None
    version = document.data["version"]
    assert isinstance(version, int)
    return version


def _stored(key: str, document: Document) -> StoredView:
    return StoredView("Score", key, 0 if document.data is None else _version(document), document.data)


async def tell(broadcast: Broadcast, announced: Announcement, *, max_bytes: int = 64 * 1024) -> None:
    """What a relay does; over ``max_bytes`` without the content."""
    await broadcast.publish(CHANNELS.of("Score", announced.key), announced.to_message(max_bytes))


class Client:
    """Applies changes, and checks what each says of the neighbours."""

    def __init__(self) -> None:
        self.window: list[tuple[str, int]] = []
        self.kinds: list[str] = []
        self.held: str | None = None

    def apply(self, change: Change) -> None:
        self.kinds.append(str(change.kind) if change.key is None else f"{change.kind} {change.key}")
        if change.kind is ChangeKind.CURRENT:
            assert change.page is not None
            self.window = [(view.key, view.version) for view in change.page]
            return
        keys = [key for key, _ in self.window]
        key = str(change.key)
        if change.kind is ChangeKind.REMOVED:
            del self.window[keys.index(key)]
            return
        assert change.view is not None
        now = (key, change.view.version)
        if change.kind is ChangeKind.MODIFIED:
            self.window[keys.index(key)] = now
        else:
            if change.kind is ChangeKind.MOVED:
                del self.window[keys.index(key)]
            else:
                assert key not in keys
            place = 0 if change.previous is None else [one for one, _ in self.window].index(change.previous) + 1
            self.window.insert(place, now)
        place = self.window.index(now)
        assert change.previous == (self.window[place - 1][0] if place else None)
        assert change.next == (self.window[place + 1][0] if place + 1 < len(self.window) else None)
