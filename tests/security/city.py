"""A city whose two tenants live side by side in one app: the same ids, the same names of users and groups, one datastore.

Everything that belongs to a tenant has its mark. Where the one is sent the mark of the other, there is a leak.
"""

from __future__ import annotations

import base64
import re
from typing import Any, Final

from bff import App, DomainError, DomainModel, Mediator, Principal, Readers, Ref, Store, ViewModel, field, mutation, reference
from bff.auth.port import Credentials
from bff.errors import Forbidden, Unauthenticated

__all__ = ["BLOCKS", "NOTES", "SIGNS", "TENANTS", "TOKENS", "Block", "Note", "Sign", "city", "marked", "marks_in", "reset"]

TENANTS: Final = ("east", "west")
_MARKS: Final = {"east": "EastQxZ", "west": "WestQxZ"}

TOKENS: Final[dict[str, tuple[str, ...]]] = {
    "east": ("east-sam", "east-staff"),
    "west": ("west-sam", "west-staff"),
}
"""The tokens of each tenant's users: one of no group, and one of the staff. The users are of the same names in both."""

_PEOPLE: Final = {
    token: Principal(id=token[5:], tenant=tenant, groups=frozenset({"staff"} if token.endswith("staff") else ()))
    for tenant, tokens in TOKENS.items()
    for token in tokens
}

NOTES: Final = ("n0", "n1", "n2", "n3")
SIGNS: Final = ("s0", "s1")
BLOCKS: Final = ("b0", "b1")


def marked(tenant: str, rest: str = "") -> str:
    """A text of this tenant's."""
    return _MARKS[tenant] + rest


def other(tenant: str) -> str:
    return TENANTS[1 - TENANTS.index(tenant)]


def marks_in(sent: bytes) -> set[str]:
    """The tenants whose mark is in these bytes: in whatever case, in base64 (as cursors are), or in base64 within base64."""
    found: set[str] = set()
    for text in _layers(sent):
        found |= {tenant for tenant, mark in _MARKS.items() if mark.lower().encode() in text.lower()}
    return found


def _layers(text: bytes, depth: int = 3) -> list[bytes]:
    layers = [text]
    if depth:
        for run in re.findall(rb"[A-Za-z0-9+/_-]{12,}", text):
            cut = run[: len(run) // 4 * 4].replace(b"-", b"+").replace(b"_", b"/")
            padded = run.replace(b"-", b"+").replace(b"_", b"/") + b"=" * (-len(run) % 4)
            for candidate in {cut, padded}:
                try:
                    decoded = base64.b64decode(candidate, validate=True)
                except ValueError:
                    continue
                layers += _layers(decoded, depth - 1)
    return layers


def _movable(*notes: Note) -> None:
    """Only what has no mark in its id can change hands: otherwise the new owner is shown the old one's mark, and rightly."""
    if any(note.id not in NOTES for note in notes):
        raise Forbidden("it stays where it is")


def ours(principal: Principal, owned: Any) -> bool:
    return principal.tenant == owned.tenant


class NoteIsFull(DomainError):
    """Tells of the note that is full, with the view of it."""

    note: NoteView

    def __init__(self, note: NoteView) -> None:
        super().__init__("full")
        self.note = note


class Block(DomainModel, collection="blocks"):
    """Belongs to nobody; what stands on it does."""

    number: int = 0


class Note(DomainModel, collection="notes"):
    """What one tenant has written; it may be given to the other, who finds nothing of it but the place."""

    tenant: str
    text: str
    rank: int = 0
    tags: list[str] = []
    staff_only: bool = False
    block: Ref[Block] | None = None

    @mutation(allow=ours, returns="NoteView", errors=[NoteIsFull])
    def write(self, text: str, rank: int) -> None:
        if rank > 90:
            raise NoteIsFull(NoteView.of(self))
        self.text, self.rank, self.tags = text, rank, [text]

    @mutation(returns="NoteView")
    def overwrite(self) -> None:
        """Anybody may: the answer and what it affects are still for readers alone."""
        self.text = marked(self.tenant, " overwritten")
        self.rank += 1

    @mutation(returns="NoteView")
    def take(self, principal: Principal) -> None:
        if principal.tenant is None:
            raise Forbidden("sign in")
        _movable(self)
        self.tenant, self.text, self.tags = principal.tenant, marked(principal.tenant, " taken"), [marked(principal.tenant)]

    @mutation(allow=ours, returns="NoteView")
    def give(self) -> None:
        _movable(self)
        self.tenant = other(self.tenant)
        self.text, self.tags = marked(self.tenant, " given"), [marked(self.tenant)]

    @mutation(allow=ours, returns="NoteView")
    def lock(self, staff_only: bool) -> None:
        self.staff_only = staff_only


class Sign(DomainModel, collection="signs"):
    """Everybody sees the sign; what is on its back is its tenant's."""

    tenant: str
    title: str
    back: str
    note: Ref[Note] | None = None

    @mutation
    def turn(self) -> SignView:
        self.tenant = other(self.tenant)
        self.back = marked(self.tenant, " turned")


class NoteStore(Store):
    note = reference(Note)


class NoteView(ViewModel, max_age=0):
    store: NoteStore

    @field(filterable=True)
    def text(self) -> str:
        return self.store.note.text

    @text.setter
    def text(self, text: str) -> None:
        self.store.note.text = text

    @field(filterable=True)
    def rank(self) -> int:
        return self.store.note.rank

    @field(filterable=True)
    def tags(self) -> list[str]:
        return self.store.note.tags

    @field(readers=lambda self: Readers.groups("staff", tenant=self.store.note.tenant))
    def for_staff(self) -> str | None:
        return self.store.note.text + " for staff"

    def readers(self) -> Readers:
        note = self.store.note
        return Readers.groups("staff", tenant=note.tenant) if note.staff_only else Readers.tenant(note.tenant)


class SignStore(Store):
    sign = reference(Sign)
    note = reference(Note, of=lambda s: s.sign.note)


class SignView(ViewModel):
    store: SignStore

    @field(filterable=True)
    def title(self) -> str:
        return self.store.sign.title

    @field(readers=lambda self: Readers.tenant(self.store.sign.tenant))
    def back(self) -> str | None:
        return self.store.sign.back

    @field
    def note(self) -> NoteView | None:
        return NoteView.of(self.store.note) if self.store.note else None


class BlockStore(Store):
    block = reference(Block)
    notes = reference(Note, where=lambda s: Note.block == s.block.ref, many=True)


class BlockView(ViewModel):
    """Everybody sees the block, and of its notes those that are theirs."""

    store: BlockStore

    @field
    def number(self) -> int:
        return self.store.block.number

    @field
    def notes(self) -> list[NoteView]:
        return [NoteView.of(note) for note in self.store.notes]


class Exchange(Mediator):
    """Changes of several documents at once."""

    @mutation
    async def swap(self, one: Note, another: Note) -> NoteView:
        _movable(one, another)
        one.tenant, another.tenant = another.tenant, one.tenant
        for note in (one, another):
            note.text, note.tags = marked(note.tenant, " swapped"), [marked(note.tenant)]
        await one.save()
        await another.save()
        return NoteView.of(one)


def who(credentials: Credentials) -> Principal | None:
    if credentials.token is None:
        return None
    if credentials.token not in _PEOPLE:
        raise Unauthenticated("sign in")
    return _PEOPLE[credentials.token]


def city() -> App:
    return App(views=[NoteView, SignView, BlockView], mediators=[Exchange], auth=who)


async def reset() -> None:
    """Both tenants have as much, on the same blocks; and each a note that the other cannot name, since its id has the mark."""
    for number, id in enumerate(BLOCKS):
        await Block(id=id, number=number).save()
    for number, id in enumerate((*NOTES, *(marked(tenant) for tenant in TENANTS))):
        tenant = TENANTS[number % 2]
        block = Block.ref(BLOCKS[number // 2 % 2])
        text = marked(tenant, f" {number}")
        await Note(id=id, tenant=tenant, text=text, rank=number, tags=[marked(tenant)], block=block).save()
    for number, id in enumerate(SIGNS):
        tenant = TENANTS[number % 2]
        note = Note.ref(NOTES[1 - number])
        await Sign(id=id, tenant=tenant, title=f"sign {number}", back=marked(tenant, " back"), note=note).save()
