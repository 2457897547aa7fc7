"""Whatever a server does to a stream, a follower that does as the port says ends with what the server has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bff.datastore.firestore.listen_state import ListenState, Resync
from bff.datastore.firestore.protos import ListenResponse
from bff.datastore.firestore.wire import Names, timestamp
from bff.datastore.port import Changes, ResumePoint, Target

NAMES = Names("projects/p/databases/(default)")
TARGETS = (Target("ships"), Target("ports"))
NO_CHANGE, ADD, REMOVE, CURRENT, RESET = range(5)
HEARTBEAT_ID = 1


@dataclass
class Server:
    """A database, and one stream of it. ``resends`` makes it answer tokens and writes as the emulator does."""

    resends: bool
    now: int = 100
    documents: dict[str, int] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)
    sent: list[Any] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)

    def open(self, state: ListenState) -> None:
        self.sent = []
        for added in state.open():
            collection = added.target.collection
            self.ids[collection] = added.id
            since = int(added.token) if added.token else added.read_time
            if since is None or self.resends:
                self.resend(collection, reset=since is not None)
                continue
            for path, at in self.documents.items():
                if path.startswith(collection) and at > since:
                    self.send_present(path)
            for path, at in self.gone.items():
                if path.startswith(collection) and at > since:
                    self.send_deleted(path)
            self.tell(CURRENT, added.id)
        self.tell(CURRENT, HEARTBEAT_ID)

    def write(self, path: str) -> None:
        self.now += 1
        self.documents[path] = self.now
        self.gone.pop(path, None)
        self.tell_of(path)

    def delete(self, path: str, *, unsaid: bool) -> None:
        if self.documents.pop(path, None) is None:
            return
        self.now += 1
        self.gone[path] = self.now
        if unsaid:
            self.count(path.partition("/")[0])
        else:
            self.tell_of(path)

    def count(self, collection: str) -> None:
        response = ListenResponse()
        response.filter.target_id = self.ids[collection]
        response.filter.count = sum(path.startswith(collection) for path in self.documents)
        self.sent.append(response)

    def tell_of(self, path: str) -> None:
        if self.resends:
            self.resend(path.partition("/")[0], reset=True)
        elif path in self.documents:
            self.send_present(path)
        else:
            self.send_deleted(path)

    def resend(self, collection: str, *, reset: bool) -> None:
        if reset:
            self.tell(RESET, self.ids[collection])
        for path in self.documents:
            if path.startswith(collection):
                self.send_present(path)
        self.tell(CURRENT, self.ids[collection])

    def send_present(self, path: str) -> None:
        response = ListenResponse()
        response.document_change.document.name = NAMES.full(path)
        response.document_change.document.update_time.CopyFrom(timestamp(self.documents[path]))
        response.document_change.target_ids.append(self.ids[path.partition("/")[0]])
        self.sent.append(response)

    def send_deleted(self, path: str) -> None:
        response = ListenResponse()
        response.document_delete.document = NAMES.full(path)
        response.document_delete.read_time.CopyFrom(timestamp(self.gone[path]))
        response.document_delete.removed_target_ids.append(self.ids[path.partition("/")[0]])
        self.sent.append(response)

    def tell(self, kind: int, *ids: int) -> None:
        response = ListenResponse()
        response.target_change.target_change_type = kind
        response.target_change.target_ids.extend(ids)
        if not ids:
            self.now += 1
            response.target_change.read_time.CopyFrom(timestamp(self.now))
            response.target_change.resume_token = str(self.now).encode()
        self.sent.append(response)


@dataclass
class Reader:
    """Does with changes what the port says."""

    documents: dict[str, int] = field(default_factory=dict)
    resent: set[str] | None = None
    resume: ResumePoint | None = None

    def take(self, changes: Changes) -> None:
        if changes.reset:
            self.resent = set()
        assert changes.resume is not None or self.resent is not None, "only a resend comes in parts"
        for document in changes.documents:
            self.documents.pop(document.path, None)
            if document.exists:
                self.documents[document.path] = document.update_time
            if self.resent is not None:
                self.resent.add(document.path)
        if changes.resume is not None:
            self.resume = changes.resume
            if self.resent is not None:
                self.documents = {path: at for path, at in self.documents.items() if path in self.resent}
                self.resent = None


PATHS = st.sampled_from([f"{collection}/{n}" for collection in ("ships", "ports") for n in range(4)])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), PATHS),
        st.tuples(st.sampled_from(["delete", "delete unsaid"]), PATHS),
        st.tuples(st.sampled_from(["consistent", "settle", "lost", "read some", "restarted", "reset", "count"]), PATHS),
    ),
    max_size=40,
)


class Run:
    """A server, a listener and its reader."""

    def __init__(self, *, resends: bool, some: int) -> None:
        self.server, self.reader, self.some = Server(resends), Reader(), some
        self.listen(None)

    def listen(self, since: ResumePoint | None) -> None:
        self.state = ListenState(TARGETS, NAMES, since, "_bff_heartbeats/h")
        self.server.open(self.state)

    def read(self, most: int) -> None:
        while self.server.sent and most:
            most -= 1
            try:
                changes = self.state.receive(self.server.sent.pop(0))
            except Resync:
                self.server.open(self.state)
                continue
            if changes is not None:
                self.reader.take(changes)

    def settle(self) -> None:
        for _ in range(3):  # a stream that had to be opened again is not consistent yet
            self.server.tell(NO_CHANGE)
            self.read(1000)
        assert self.reader.documents == self.server.documents

    def step(self, name: str, path: str) -> None:
        match name:
            case "write":
                self.server.write(path)
            case "delete" | "delete unsaid":
                self.server.delete(path, unsaid=name == "delete unsaid")
            case "reset":
                self.server.resend(path.partition("/")[0], reset=True)
            case "count":
                self.server.count(path.partition("/")[0])
            case "consistent":
                self.server.tell(NO_CHANGE)
            case "read some":
                self.read(self.some)
            case "lost":
                self.server.open(self.state)
            case "restarted":  # the process: another listener goes on from what the reader has stored
                self.listen(self.reader.resume)
            case _:
                self.settle()


@given(steps=STEPS, resends=st.booleans(), some=st.integers(0, 6))
@settings(max_examples=400, deadline=None)
def test_a_follower_ends_with_what_the_server_has(steps: list[tuple[str, str]], resends: bool, some: int) -> None:
    run = Run(resends=resends, some=some)
    for name, path in steps:
        run.step(name, path)
    run.settle()
