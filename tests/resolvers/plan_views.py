"""A workshop: views with fields of every shape there is, and what is stored of them."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from pydantic import BaseModel, ConfigDict

from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from bff.types import BigInt, GeoPoint

__all__ = ["KEYS", "VIEWS", "fill"]


class State(Enum):
    NEW = "new"
    WORN = "worn"


class Grade(Enum):
    FIRST = 1
    SECOND = 2


class Screw(BaseModel):
    length: float
    note: str | None = None


class Plank(BaseModel):
    wood: str
    screws: list[Screw] = []
    cut_at: datetime | None = None
    point: GeoPoint | None = None


class Maker(DomainModel, collection="makers"):
    name: str


class Tool(DomainModel, collection="tools"):
    name: str
    maker: Ref[Maker]
    number: int = 0
    parts: list[Plank | Screw] = []
    tags: list[str] = []
    state: State = State.NEW
    kept: dict[str, Any] = {}


class ToolStore(Store):
    tool = reference(Tool)
    maker = reference(Maker, of=lambda s: s.tool.maker)


class MakerStore(Store):
    maker = reference(Maker)
    tools = reference(Tool, where=lambda s: Tool.maker == s.maker.ref, many=True)


class CardStore(Store):
    maker = reference(Maker)


class LoanStore(Store):
    maker = reference(Maker)
    tool = reference(Tool)


class Owner(BaseModel):
    """A nested model with links in it."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    since: date
    page: MakerPage
    tools: list[ToolPage]


class Nobody(BaseModel):
    reason: str


class ToolPage(ViewModel):
    store: ToolStore

    @field(filterable=True)
    def name(self) -> str:
        return self.store.tool.name

    @field(filterable=True)
    def number(self) -> int:
        return self.store.tool.number

    @field(filterable=True)
    def half(self) -> float | None:
        return None if self.store.tool.number % 3 == 0 else self.store.tool.number / 2

    @field(filterable=True)
    def heavy(self) -> bool:
        return self.store.tool.number > 2

    @field
    def big(self) -> BigInt:
        return self.store.tool.number * 10**15

    @field(filterable=True)
    def state(self) -> State:
        return self.store.tool.state

    @field
    def grades(self) -> list[Grade | None]:
        return [Grade.FIRST, None, Grade.SECOND]

    @field
    def made(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=self.store.tool.number)

    @field
    def day(self) -> date | None:
        return date(2026, 1, 1 + self.store.tool.number % 28)

    @field
    def hour(self) -> time:
        return time(17, 30)

    @field
    def used_for(self) -> timedelta:
        return timedelta(minutes=self.store.tool.number)

    @field
    def price(self) -> Decimal:
        return Decimal(self.store.tool.number) / 10

    @field
    def serial(self) -> uuid.UUID:
        return uuid.UUID(int=self.store.tool.number)

    @field
    def stamp(self) -> bytes:
        return self.store.tool.name.encode()

    @field
    def kept(self) -> dict[str, Any]:
        return self.store.tool.kept

    @field(filterable=True)
    def tags(self) -> list[str]:
        return self.store.tool.tags

    @field
    def place(self) -> GeoPoint | None:
        return GeoPoint(1.5, self.store.tool.number) if self.store.tool.number else None

    @field
    def places(self) -> list[GeoPoint]:
        return [GeoPoint(0.5, 1.0)] * (self.store.tool.number % 3)

    @field
    def board(self) -> Plank | None:
        return next((part for part in self.store.tool.parts if isinstance(part, Plank)), None)

    @field
    def parts(self) -> list[Plank | Screw]:
        return self.store.tool.parts

    @field
    def part(self) -> Plank | Screw | None:
        return next(iter(self.store.tool.parts), None)

    @field
    def writer(self) -> Ref[Maker]:
        return self.store.tool.maker

    @field
    def writers(self) -> list[Ref[Maker]]:
        return [self.store.tool.maker]

    @field
    def maker(self) -> MakerPage:
        return MakerPage.of(self.store.tool.maker)

    @field
    def gone(self) -> MakerPage | None:
        return MakerPage.of("nobody") if self.store.tool.number % 2 else None

    @field
    def about(self) -> MakerPage | ToolPage:
        return MakerPage.of(self.store.tool.maker) if self.store.tool.number % 2 else ToolPage.of(self.store.tool)

    @field
    def others(self) -> list[MakerPage | ToolPage]:
        return [MakerPage.of(self.store.tool.maker), MakerPage.of("nobody"), ToolPage.of(self.store.tool)]

    @field
    def owner(self) -> Owner | None:
        if self.store.tool.number == 0:
            return None
        maker = self.store.tool.maker
        return Owner(since=date(2026, 2, 3), page=MakerPage.of(maker), tools=[ToolPage.of(self.store.tool)])

    @field
    def owned(self) -> Owner | Nobody:
        return self.owner or Nobody(reason="new")


class MakerPage(ViewModel):
    store: MakerStore

    @field(filterable=True)
    def name(self) -> str:
        return self.store.maker.name

    @field
    def tools(self) -> list[ToolPage]:
        return [ToolPage.of(tool) for tool in self.store.tools]

    @field
    def best(self) -> ToolPage | None:
        best = max(self.store.tools, key=lambda tool: tool.number, default=None)
        return None if best is None else ToolPage.of(best)

    @field
    def cards(self) -> list[MakerCard]:
        return [MakerCard.of(self.store.maker), MakerCard.of("nobody")]


class MakerCard(ViewModel):
    store: CardStore

    @field
    def name(self) -> str:
        return self.store.maker.name


class Loan(ViewModel):
    store: LoanStore

    @field
    def text(self) -> str:
        return f"{self.store.maker.name} has {self.store.tool.name}"

    @field
    def tool(self) -> ToolPage:
        return ToolPage.of(self.store.tool)


VIEWS: list[type[ViewModel]] = [ToolPage, MakerPage, MakerCard, Loan]

KEYS = ("saw", "axe", "plane", "ann", "ben", "cy", "ann:saw", "nobody", "ToolPage:saw", "MakerCard:ann", "a/b", "")


async def fill() -> None:
    """Save what the views are made of; inside a session."""
    for id, name in (("ann", "Ann"), ("ben", 'Ben "the \u00fc" \u2028'), ("cy", "")):
        await Maker(id=id, name=name).save()
    plank = Plank(wood="oak", screws=[Screw(length=2.5), Screw(length=1e300, note="\n\t\x7f")], point=GeoPoint(1.0, -2.0))
    kept = {"a": [1, {"b": None}], "at": datetime(2026, 1, 1, tzinfo=UTC), "raw": b"\x00", "big": 2**60, "yes": True}
    tools = [
        Tool(id="saw", name="Saw", maker=Maker.ref("ann"), parts=[plank, Screw(length=1)], tags=["a", "b"]),
        Tool(id="axe", name="Axe \U0001f600", maker=Maker.ref("ann"), number=1, parts=[Screw(length=3)], state=State.WORN),
        Tool(id="plane", name="Plane", maker=Maker.ref("ben"), number=2, kept=kept, tags=["b"]),
        *(Tool(id=f"t{at}", name=f"T{at}", maker=Maker.ref("ben"), number=at) for at in range(3, 7)),
    ]
    for tool in tools:
        await tool.save()
