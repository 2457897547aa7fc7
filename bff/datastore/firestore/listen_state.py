"""What a Listen stream has told so far, as a state machine: responses in, ``Changes`` out. It does no I/O.

The protocol: https://firebase.google.com/docs/firestore/reference/rpc/google.firestore.v1#targetchange

- A commit is whole at a *consistency point*, a NO_CHANGE without target ids and with a read time, once every target is CURRENT.
- RESET: the target is sent again, whole; what does not come is gone. Production does so rarely, the emulator on every write to
  the collection. Where we know what the target held, the difference is what changed. Where we do not (we resumed from a token),
  only a resend of everything tells the truth.
- FILTER: how many documents the target has. Where that is not what we know, something was missed: the target is sent again.

It keeps the path and the update time of every document that it knows of, some 200 bytes each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bff.datastore.firestore.followed import AddTarget, Followed
from bff.datastore.firestore.listen_token import Seal
from bff.datastore.firestore.protos import Message
from bff.datastore.firestore.wire import Names, decode_document, timepoint
from bff.datastore.port import Changes, ResumePoint, Target
from bff.document import Document
from bff.types import Timepoint

__all__ = ["HEARTBEAT_ID", "ListenState", "Resync", "TargetRemoved"]

NO_CHANGE, ADD, REMOVE, CURRENT, RESET = range(5)  # TargetChange.TargetChangeType
HEARTBEAT_ID = 1
FIRST_ID = 2
CHUNK = 500
MOST_HELD = 20_000


class Resync(Exception):
    """The stream has to be opened again: what it told cannot be made into changes."""


class TargetRemoved(Exception):
    """The server has given up a target; ``code`` is a number of google.rpc.Code."""

    def __init__(self, target: Target | None, code: int, message: str) -> None:
        super().__init__(message)
        self.target = target
        self.code = code


class ListenState:
    """The state of one listener, over all the streams that it opens one after the other."""

    def __init__(self, targets: Sequence[Target], names: Names, since: ResumePoint | None, heartbeat_path: str = "") -> None:
        self._names = names
        self._heartbeat_path = heartbeat_path
        self._followed = {FIRST_ID + index: Followed(target) for index, target in enumerate(dict.fromkeys(targets))}
        self._heartbeat_current = False
        self._seal = Seal((followed.target for followed in self._followed.values()), names)
        self._token, self._read_time = self._seal.open(since)
        self._pending: dict[str, tuple[Document, tuple[int, ...]]] = {}
        self._doubtful: set[str] = set()
        self._resending_all = False
        self._reset_told = False
        self._told: set[str] = set()

    @property
    def fresh(self) -> bool:
        """Whether the next stream begins with everything."""
        return not self._token and self._read_time is None

    def forget(self) -> None:
        """Begin with everything when a stream is opened next."""
        self._token, self._read_time = b"", None
        for followed in self._followed.values():
            followed.forget()

    def open(self) -> list[AddTarget]:
        """A new stream begins: what to add to it. What came after the last consistency point comes again."""
        self._pending.clear()
        self._doubtful.clear()
        self._told.clear()
        self._reset_told = False
        self._resending_all = self.fresh
        self._heartbeat_current = not self._heartbeat_path
        added = []
        for id, followed in self._followed.items():
            whole = self.fresh or followed.missed
            followed.begin(whole)
            if whole:
                added.append(AddTarget(id, followed.target))
            elif self._token:
                added.append(AddTarget(id, followed.target, token=self._token))
            else:
                added.append(AddTarget(id, followed.target, read_time=self._read_time))
        return added

    def receive(self, response: Message) -> Changes | None:
        """What a response makes known, if anything yet. Raises Resync, TargetRemoved."""
        match response.WhichOneof("response_type"):
            case "document_change":
                return self._changed(response.document_change)
            case "document_delete":
                gone = response.document_delete
                self._gone(gone.document, tuple(gone.removed_target_ids), timepoint(gone.read_time))
            case "document_remove":
                self._removed(response.document_remove)
            case "target_change":
                return self._target_changed(response.target_change)
            case "filter":
                self._count(response.filter)
        return None

    # --- Documents

    def _changed(self, change: Message) -> Changes | None:
        message = change.document
        path = self._names.path(message.name)
        if path == self._heartbeat_path:
            return None
        update_time = timepoint(message.update_time)
        ids = tuple(id for id in change.target_ids if id in self._followed)
        news = not ids and not change.removed_target_ids
        for id in ids:
            new = self._followed[id].hear(path, update_time)
            news = news or self._resending_all or new
        if not ids and change.removed_target_ids:
            # It left the targets, which hold whole collections, without being deleted. That cannot be; so look.
            self._doubt(path, tuple(change.removed_target_ids))
            return None
        if not news:
            return None
        waiting = self._pending.get(path)
        if waiting is not None and waiting[0].update_time > update_time:
            return None
        if waiting is not None and waiting[0].exists:
            ids = tuple({*ids, *waiting[1]})  # of several targets, each tells
        self._doubtful.discard(path)
        self._pending[path] = (decode_document(message, self._names), ids)
        return self._full() if len(self._pending) >= CHUNK else None

    def _gone(self, name: str, ids: tuple[int, ...], moment: Timepoint) -> None:
        path = self._names.path(name)
        if path == self._heartbeat_path:
            return
        waiting = self._pending.get(path)
        if waiting is not None and waiting[0].update_time > moment:
            return
        self._not_resent(path, ids or self._followed)
        self._doubtful.discard(path)
        self._pending[path] = (Document(path, None, moment), ids)

    def _removed(self, remove: Message) -> None:
        # "May be sent instead of a delete or a change if the server cannot send the new value of the document."
        path = self._names.path(remove.document)
        if path != self._heartbeat_path:
            self._doubt(path, tuple(remove.removed_target_ids))

    def _doubt(self, path: str, ids: tuple[int, ...]) -> None:
        self._doubtful.add(path)
        self._pending.pop(path, None)
        self._not_resent(path, ids)

    def _not_resent(self, path: str, ids: Iterable[int]) -> None:
        for id in ids:
            followed = self._followed.get(id)
            if followed is not None and followed.resent is not None:
                followed.resent.pop(path, None)

    # --- Targets

    def _target_changed(self, change: Message) -> Changes | None:
        kind = change.target_change_type
        ids = tuple(change.target_ids)
        if kind == REMOVE:
            known = next((self._followed[id].target for id in ids if id in self._followed), None)
            raise TargetRemoved(known, change.cause.code, change.cause.message)
        if kind == CURRENT:
            self._set_current(ids, True)
        elif kind == RESET:
            self._reset(ids)
        elif kind == NO_CHANGE and not ids and change.HasField("read_time"):
            return self._consistent(change)
        return None

    def _set_current(self, ids: tuple[int, ...], current: bool) -> None:
        if self._heartbeat_path and (not ids or HEARTBEAT_ID in ids):
            self._heartbeat_current = current
        for id in ids or self._followed:
            if id in self._followed:
                self._followed[id].current = current

    def _reset(self, ids: tuple[int, ...]) -> None:
        self._set_current(ids, False)
        resent = {id for id in ids or self._followed if id in self._followed}
        for id in resent:
            self._followed[id].begin(whole=True)
        # What waits and is still there comes again; what does not come is found missing.
        for path in [path for path, (_, ids_) in self._pending.items() if resent.intersection(ids_)]:
            document, ids_ = self._pending.pop(path)
            others = tuple(id for id in ids_ if id not in resent)
            if others:
                self._pending[path] = (document, others)
        if not self._resending_all and all(f.resent is not None and not f.complete for f in self._followed.values()):
            self._resending_all = True

    def _count(self, message: Message) -> None:
        followed = self._followed.get(message.target_id)
        if followed is None:
            return
        if followed.resent is not None:
            count = len(followed.resent)
        elif followed.complete:
            count = len(self._after(message.target_id, followed))
        else:
            self.forget()
            raise Resync(f"{followed.target}: documents are gone, and a listener that was resumed cannot tell which")
        if count != message.count:
            followed.missed = True
            raise Resync(f"{followed.target}: the server counts {message.count} documents, {count} are known")

    def _after(self, id: int, followed: Followed) -> dict[str, Timepoint]:
        """What the target holds once what is waiting has been delivered."""
        after = dict(followed.known)
        for path, (document, ids) in self._pending.items():
            if not document.exists:
                after.pop(path, None)
            elif id in ids:
                after[path] = document.update_time
        for path in self._doubtful:
            after.pop(path, None)
        return after

    # --- What is told

    def _full(self) -> Changes | None:
        """Part of a resend, so that not all of it has to be held; only a resend may be told in parts."""
        if self._resending_all:
            return self._tell(tuple(document for document, _ in self._pending.values()), None)
        if len(self._pending) >= MOST_HELD:
            self.forget()
            raise Resync(f"more than {MOST_HELD} documents have changed at once: everything is sent again")
        return None

    def _consistent(self, change: Message) -> Changes | None:
        if not self._heartbeat_current or not all(followed.current for followed in self._followed.values()):
            return None
        if not self._resending_all and any(f.resent is not None and not f.complete for f in self._followed.values()):
            self.forget()
            raise Resync("only some of the targets were sent again, and what they held before is not known")
        moment = timepoint(change.read_time)
        for path in self._missing():
            if path not in self._pending and path not in self._doubtful:
                self._pending[path] = (Document(path, None, moment), ())
        for document, ids in self._pending.values():
            for id, followed in self._followed.items():
                followed.remember(document, id in ids)
        for followed in self._followed.values():
            followed.catch_up()
        self._token, self._read_time = change.resume_token, moment
        documents = tuple(sorted((d for d, _ in self._pending.values()), key=lambda document: document.update_time))
        changes = self._tell(documents, ResumePoint(moment, self._seal.close(change.resume_token)))
        self._resending_all = False
        return changes

    def _missing(self) -> set[str]:
        """What has been told, and did not come again."""
        if self._resending_all:
            # Some of a resend is told before its end; a target may be reset once more until then.
            return self._told.difference(*(followed.resent or () for followed in self._followed.values()))
        return set().union(*(followed.missing for followed in self._followed.values()))

    def _tell(self, documents: tuple[Document, ...], resume: ResumePoint | None) -> Changes:
        reset = self._resending_all and not self._reset_told
        self._reset_told = True
        if self._resending_all and resume is None:
            self._told.update(document.path for document in documents if document.exists)
        else:
            self._told.clear()
        self._pending.clear()
        return Changes(documents, resume, reset)

    @property
    def doubtful(self) -> frozenset[str]:
        """Documents that the server only said it cannot follow. To be read, and settled, before changes are passed on."""
        return frozenset(self._doubtful)

    def settle(self, documents: Sequence[Document]) -> None:
        """The doubtful documents, as they were read at the last consistency point."""
        for document in documents:
            self._doubtful.discard(document.path)
            for followed in self._followed.values():
                followed.settle(document)
