"""A ward whose notes and charts are not for everybody, and boards on which they hang."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from bff import App, DomainModel, Principal, Readers, Store, ViewModel, field, reference

__all__ = ["AUDIENCES", "Board", "Chart", "Note", "Paper", "may_see", "ward"]

AUDIENCES = {
    "nobody": Principal(),
    "ann": Principal(id="ann", tenant="north", groups=frozenset({"doctors"})),
    "bob": Principal(id="bob", tenant="north", groups=frozenset({"billing"})),
    "cy": Principal(id="cy", tenant="south", groups=frozenset({"doctors", "billing"})),
    # By its id, somebody else's tenant and group, to whoever compares texts carelessly.
    "dee": Principal(id="north/billing"),
}

_READERS = {
    "nobody": Readers.nobody(),
    "ann": Readers.users("ann"),
    "billing": Readers.groups("billing", tenant="north"),
    "doctors": Readers.groups("doctors", tenant="south") | Readers.users("ann"),
    "north": Readers.tenant("north"),
    "signed in": Readers.signed_in(),
    "all": Readers.public(),
}


def may_see(by: str, who: Principal) -> bool:
    """As the words say, without the code that is tested."""
    return {
        "nobody": False,
        "ann": who.id == "ann",
        "billing": who.id == "bob",
        "doctors": who.id in {"ann", "cy"},
        "north": who.id in {"ann", "bob"},
        "signed in": who.id is not None,
        "all": True,
    }[by]


class Paper(DomainModel, collection="papers"):
    kind: str
    text: str
    by: str = "all"
    secret_by: str = "all"


class Wall(DomainModel, collection="walls"):
    papers: list[str] = []
    top: str | None = None


class PaperStore(Store):
    paper = reference(Paper)


class Note(ViewModel):
    """Readers, and a field with readers of its own."""

    store: PaperStore

    @field(filterable=True)
    def text(self) -> str:
        return f"text of {self.store.paper.text}"

    @field(readers=lambda self: _READERS[self.store.paper.secret_by])
    def secret(self) -> str | None:
        return f"secret of {self.store.paper.text}"

    def readers(self) -> Readers:
        return _READERS[self.store.paper.by]


class Chart(ViewModel):
    """Everybody may see it, but not all of it."""

    store: PaperStore

    @field(filterable=True)
    def name(self) -> str:
        return self.store.paper.text

    @field(readers=lambda self: _READERS[self.store.paper.secret_by])
    def dose(self) -> str | None:
        return f"dose of {self.store.paper.text}"


class Slip(ViewModel):
    """Readers, and no field that has some."""

    store: PaperStore

    @field(filterable=True)
    def text(self) -> str:
        return f"text of {self.store.paper.text}"

    def readers(self) -> Readers:
        return _READERS[self.store.paper.by]


class Pin(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    label: str
    note: Note | None


class WallStore(Store):
    wall = reference(Wall)


class Board(ViewModel):
    """Everybody may see it, and on it what they may see."""

    store: WallStore

    @field
    def notes(self) -> list[Note]:
        return [Note.of(Paper.ref(id)) for id in self.store.wall.papers if id.startswith("n")]

    @field
    def items(self) -> list[Note | Chart | Slip]:
        kinds = {"n": Note, "c": Chart, "s": Slip}
        return [kinds[id[0]].of(Paper.ref(id)) for id in self.store.wall.papers]

    @field
    def first(self) -> Note | None:
        return Note.of(Paper.ref(self.store.wall.top)) if self.store.wall.top else None

    @field
    def top(self) -> Note | Slip | None:
        return Slip.of(Paper.ref(self.store.wall.top)) if self.store.wall.top else None

    @field
    def pins(self) -> list[Pin]:
        return [Pin(label=id, note=Note.of(Paper.ref(id))) for id in self.store.wall.papers]


def ward() -> App:
    return App(views=[Note, Chart, Slip, Board])
