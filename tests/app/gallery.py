"""A gallery that declares every kind of type: its models, its views, and one value of each."""

from __future__ import annotations

import base64
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

import bff
from bff import BigInt, DomainModel, GeoPoint, Ref, Store, ViewModel, field, mutation, reference

__all__ = [
    "APP",
    "DESCRIBE",
    "DESCRIBED",
    "PIECE",
    "VARIABLES",
    "HallStore",
    "HallView",
    "Loan",
    "Material",
    "Piece",
    "PieceView",
    "SculptorView",
    "fill",
]


class Material(Enum):
    """What a piece is made of."""

    OIL_ON_CANVAS = "oil"
    BRONZE = "bronze"
    OIL = "oil paint"

    @property
    def description(self) -> str | None:
        return "An alloy." if self is Material.BRONZE else None

    @property
    def deprecation_reason(self) -> str | None:
        return "Say OIL_ON_CANVAS." if self is Material.OIL else None


class Rank(Enum):
    FIRST = 1
    SECOND = 2


class Loan(BaseModel):
    """Lent by another house."""

    lender: str = Field(description="Who lent it.")
    until: date | None = None


class Purchase(BaseModel):
    price: Decimal
    receipt: bytes = b""
    old_number: int | None = Field(default=None, deprecated="Numbers are ids now.")


class Sculptor(DomainModel, collection="sculptors"):
    name: str


class Hall(DomainModel, collection="halls"):
    name: str
    pieces: list[str] = []
    """``kind:id`` of each."""


class Piece(DomainModel, collection="pieces"):
    title: str
    material: Material = Material.BRONZE
    rank: Rank | None = None
    origin: Loan | Purchase = Loan(lender="nobody")
    sources: list[Loan | Purchase] = []
    bought: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    made: date = date(1905, 6, 7)
    opens: time = time(9, 30)
    tour: timedelta = timedelta(minutes=90)
    price: Decimal = Decimal("19.90")
    serial: UUID = UUID("123e4567-e89b-12d3-a456-426614174000")
    atoms: BigInt = 2**60
    facts: dict[str, Any] = {}
    stamp: bytes = b"\x00\xff"
    place: GeoPoint | None = None
    weight: float = 1.5
    side: Literal["left", "right"] = "left"
    by: Ref[Sculptor] | None = None

    @mutation(returns="PieceView")
    def describe(
        self,
        material: Material,
        origin: Loan | Purchase,
        bought: datetime,
        made: date,
        opens: time,
        tour: timedelta,
        price: Decimal,
        serial: UUID,
        atoms: BigInt,
        facts: dict[str, Any],
        stamp: bytes,
        place: GeoPoint,
        weight: float,
        side: Literal["left", "right"],
        by: Ref[Sculptor],
        *,
        rank: Rank | None = None,
        sources: list[Loan | Purchase] = [],  # noqa: B006 - as people write it
    ) -> None:
        for name, value in locals().copy().items():
            if name != "self":
                setattr(self, name, value)

    @mutation(deprecated="Say it with describe.")
    def retitle(
        self,
        title: Annotated[str, Field(description="The new one.", max_length=20)],
        loud: Annotated[bool, Field(deprecated="Titles whisper.")] = False,
    ) -> str:
        """Give it another title."""
        self.title = title.upper() if loud else title
        return self.title


class PieceStore(Store):
    piece = reference(Piece)


class SculptorStore(Store):
    sculptor = reference(Sculptor)


class HallStore(Store):
    hall = reference(Hall)


class SculptorView(ViewModel):
    store: SculptorStore

    @field
    def name(self) -> str:
        return self.store.sculptor.name


class PieceView(ViewModel):
    """A piece of the collection."""

    store: PieceStore

    @field(description="What it is called.", filterable=True)
    def title(self) -> str:
        return self.store.piece.title

    @field(filterable=True)
    def material(self) -> Material:
        return self.store.piece.material

    @field
    def rank(self) -> Rank | None:
        return self.store.piece.rank

    @field
    def origin(self) -> Loan | Purchase:
        """Where it is from."""
        return self.store.piece.origin

    @field
    def sources(self) -> list[Loan | Purchase]:
        return self.store.piece.sources

    @field(filterable=True)
    def bought(self) -> datetime:
        return self.store.piece.bought

    @field(filterable=True)
    def made(self) -> date:
        return self.store.piece.made

    @field(filterable=True)
    def opens(self) -> time:
        return self.store.piece.opens

    @field(filterable=True)
    def tour(self) -> timedelta:
        return self.store.piece.tour

    @field(filterable=True)
    def price(self) -> Decimal:
        return self.store.piece.price

    @field(filterable=True)
    def serial(self) -> UUID:
        return self.store.piece.serial

    @field(filterable=True)
    def atoms(self) -> BigInt:
        return self.store.piece.atoms

    @field
    def facts(self) -> dict[str, Any]:
        return self.store.piece.facts

    @field(filterable=True)
    def stamp(self) -> bytes:
        return self.store.piece.stamp

    @field
    def place(self) -> GeoPoint | None:
        return self.store.piece.place

    @place.setter
    def set_place(self, value: GeoPoint | None) -> None:
        self.store.piece.place = value

    @field
    def weight(self) -> float:
        return self.store.piece.weight

    @field
    def side(self) -> Literal["left", "right"]:
        return self.store.piece.side

    @field(deprecated="There is one sculptor for each piece now.")
    def sculptors(self) -> list[SculptorView]:
        return [] if self.store.piece.by is None else [SculptorView.of(self.store.piece.by)]

    @field
    def by(self) -> Ref[Sculptor] | None:
        return self.store.piece.by


class HallView(ViewModel):
    store: HallStore

    @field
    def name(self) -> str:
        return self.store.hall.name

    @field
    def shown(self) -> list[PieceView | SculptorView]:
        return [made for kind_and_id in self.store.hall.pieces if (made := self._made(kind_and_id)) is not None]

    @field
    def centre(self) -> PieceView | SculptorView | None:
        return self._made(self.store.hall.pieces[0]) if self.store.hall.pieces else None

    @field
    def entrance(self) -> SculptorView | PieceView:
        return SculptorView.of("rodin")

    def _made(self, kind_and_id: str) -> PieceView | SculptorView:
        kind, id = kind_and_id.split(":")
        return PieceView.of(id) if kind == "piece" else SculptorView.of(id)


APP = bff.App(views=[HallView, PieceView, SculptorView])

PIECE = """
    __typename id title material rank side weight stamp atoms facts serial price tour opens made bought by
    place { latitude longitude } sculptors { name }
    origin { __typename ... on Loan { lender until } ... on Purchase { price receipt } }
    sources { __typename ... on Loan { lender } ... on Purchase { oldNumber } }
"""
DESCRIBE = (
    """
    mutation Describe($id: ID!, $material: Material!, $origin: LoanOrPurchaseInput!, $bought: DateTime!, $made: Date!,
        $opens: Time!, $tour: Duration!, $price: Decimal!, $serial: UUID!, $atoms: BigInt!, $facts: JSON!, $stamp: Bytes!,
        $place: GeoPointInput!, $weight: Float!, $side: String!, $by: ID!, $rank: Rank, $sources: [LoanOrPurchaseInput!]
    ) {
        pieceDescribe(id: $id, material: $material, origin: $origin, bought: $bought, made: $made, opens: $opens, tour: $tour,
            price: $price, serial: $serial, atoms: $atoms, facts: $facts, stamp: $stamp, place: $place, weight: $weight,
            side: $side, by: $by, rank: $rank, sources: $sources) {"""
    + PIECE
    + "} }"
)
VARIABLES: dict[str, Any] = {
    "id": "thinker",
    "material": "OIL_ON_CANVAS",
    "origin": {"purchase": {"price": "12.50", "receipt": base64.b64encode(b"paid").decode()}},
    "bought": "2026-07-08T09:10:11.123456+02:00",
    "made": "1904-02-29",
    "opens": "23:59:59",
    "tour": "PT2H5M",
    "price": "100.10",
    "serial": "00000000-0000-0000-0000-000000000001",
    "atoms": str(2**62),
    "facts": {"nested": {"list": [1, 2.5, "x", None, True]}, "big": 3},
    "stamp": base64.b64encode(bytes(range(256))).decode(),
    "place": {"latitude": 48.855, "longitude": 2.316},
    "weight": 180,
    "side": "right",
    "by": "rodin",
    "rank": "SECOND",
    "sources": [{"loan": {"lender": "Orsay"}}, {"purchase": {"price": 1, "oldNumber": 7}}],
}
DESCRIBED = {
    "__typename": "PieceView",
    "id": "thinker",
    "title": "The Thinker",
    "material": "OIL_ON_CANVAS",
    "rank": "SECOND",
    "side": "right",
    "weight": 180.0,
    "stamp": VARIABLES["stamp"],
    "atoms": str(2**62),
    "facts": VARIABLES["facts"],
    "serial": VARIABLES["serial"],
    "price": "100.10",
    "tour": "PT2H5M",
    "opens": "23:59:59",
    "made": "1904-02-29",
    "bought": "2026-07-08T07:10:11.123456Z",
    "by": "rodin",
    "place": VARIABLES["place"],
    "sculptors": [{"name": "Rodin"}],
    "origin": {"__typename": "Purchase", "price": "12.50", "receipt": "cGFpZA=="},
    "sources": [{"__typename": "Loan", "lender": "Orsay"}, {"__typename": "Purchase", "oldNumber": 7}],
}


async def fill() -> None:
    await Sculptor(id="rodin", name="Rodin").save()
    await Piece(id="thinker", title="The Thinker").save()
    await Hall(id="h", name="Hall", pieces=["piece:thinker", "sculptor:rodin", "piece:none"]).save()
