"""Every kind of type, from the declaration to the schema and through queries, mutations and subscriptions over the network."""

from __future__ import annotations

import base64
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLObjectType, GraphQLUnionType, is_wrapping_type
from pydantic import BaseModel, Field

import bff
from bff import BigInt, DomainModel, GeoPoint, Ref, Settings, Store, ViewModel, field, mutation, reference
from bff.datastore.port import Set
from bff.errors import DeclarationError
from bff.testing.harness import AppHarness

pytestmark = pytest.mark.anyio


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


async def test_each_type_goes_out_as_it_came_in(datastore_url: str) -> None:
    async with AppHarness(APP, settings=Settings(datastore_url=datastore_url)) as running:
        await fill()
        await running.settled()
        watching = running.watch("subscription Watch($id: ID!) { pieceView(id: $id) {" + PIECE + "} }", {"id": "thinker"})
        async with watching as watch:
            before = (await watch.next())["data"]["pieceView"]
            assert before["origin"] == {"__typename": "Loan", "lender": "nobody", "until": None}
            assert (before["tour"], before["made"], before["opens"], before["price"]) == (
                "PT1H30M",
                "1905-06-07",
                "09:30:00",
                "19.90",
            )
            answer = await running.execute(DESCRIBE, VARIABLES)
            assert (answer["data"], answer.get("errors")) == ({"pieceDescribe": DESCRIBED}, None)
            shown = await watch.until(lambda result: result["data"]["pieceView"]["rank"] == "SECOND")
            assert shown == {"data": {"pieceView": DESCRIBED}}
        assert await running.execute('{ pieceView(id: "thinker") {' + PIECE + "} }") == {"data": {"pieceView": DESCRIBED}}
        assert await running.execute('{ node(id: "thinker") { ... on PieceView {' + PIECE + "} } }") == {
            "data": {"node": DESCRIBED}
        }


FILTERS: list[tuple[str, str, Any, Any]] = [
    ("material", "Material", "OIL_ON_CANVAS", "BRONZE"),
    ("bought", "DateTime", VARIABLES["bought"], "2020-01-01T00:00:00Z"),
    ("made", "Date", VARIABLES["made"], "2020-01-01"),
    ("opens", "Time", VARIABLES["opens"], "12:00:00"),
    ("tour", "Duration", "PT125M", "PT1H"),
    ("price", "Decimal", VARIABLES["price"], "3"),
    ("serial", "UUID", VARIABLES["serial"], "00000000-0000-0000-0000-000000000002"),
    ("atoms", "BigInt", VARIABLES["atoms"], 3),
    ("stamp", "Bytes", VARIABLES["stamp"], "AAAA"),
]


async def test_each_type_is_filtered_by(datastore_url: str) -> None:
    async with AppHarness(APP, settings=Settings(datastore_url=datastore_url)) as running:
        await fill()
        assert "errors" not in await running.execute(DESCRIBE, VARIABLES)
        await running.settled()
        for name, kind, this, other in FILTERS:
            find = f"pieceViews(filter: {{{name}: {{eq: $value}}}}) {{ edges {{ node {{ id }} }} }}"
            query = f"query Find($value: {kind}!) {{ {find} }}"
            for value, found in ((this, [{"node": {"id": "thinker"}}]), (other, [])):
                answer = await running.execute(query, {"value": value})
                assert answer == {"data": {"pieceViews": {"edges": found}}}, name


WRONG: list[tuple[str, Any]] = [
    ("material", "oil"),
    ("origin", {"loan": {"lender": "x"}, "purchase": {"price": 1}}),
    ("origin", {}),
    ("origin", {"loan": None}),
    ("bought", "yesterday"),
    ("bought", "2026-07-08T09:10:11"),
    ("made", "2026-02-30"),
    ("opens", "25:00"),
    ("tour", "two hours"),
    ("price", "NaN"),
    ("serial", "1"),
    ("atoms", str(2**63)),
    ("stamp", "%%"),
    ("place", {"latitude": 91, "longitude": 0}),
    ("side", "top"),
    ("weight", "heavy"),
    ("by", "a/b"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
async def test_what_is_of_no_such_type_is_refused_and_changes_nothing(name: str, value: Any) -> None:
    async with AppHarness(APP) as running:
        await fill()
        answer = await running.execute(DESCRIBE, {**VARIABLES, name: value})
        assert {error["extensions"]["code"] for error in answer["errors"]} == {"BAD_USER_INPUT"}, answer
        piece = await Piece.get("thinker")
        assert piece is not None
        assert piece.material is Material.BRONZE


async def test_a_setter_takes_a_point_and_null() -> None:
    async with AppHarness(APP) as running:
        await fill()
        change = 'mutation Move($to: PieceViewInput!) { updatePieceView(id: "thinker", input: $to) { place { latitude } } }'
        moved = await running.execute(change, {"to": {"place": {"latitude": 1.5, "longitude": 2}}})
        assert moved["data"] == {"updatePieceView": {"place": {"latitude": 1.5}}}
        moved = await running.execute(change, {"to": {"place": None}})
        assert moved["data"] == {"updatePieceView": {"place": None}}


HALL = """hallView(id: "h") { shown { __typename ... on View { id } ... on PieceView { title } ... on SculptorView { name } }
          centre { __typename ... on PieceView { title } } entrance { ... on SculptorView { name } } }"""


async def test_a_union_of_views_is_read_and_followed(datastore_url: str) -> None:
    async with AppHarness(APP, settings=Settings(datastore_url=datastore_url)) as running:
        await fill()
        await running.settled()
        async with running.watch("subscription {" + HALL + "}") as watch:
            first = (await watch.next())["data"]["hallView"]
            assert first == {
                "shown": [
                    {"__typename": "PieceView", "id": "thinker", "title": "The Thinker"},
                    {"__typename": "SculptorView", "id": "rodin", "name": "Rodin"},
                ],
                "centre": {"__typename": "PieceView", "title": "The Thinker"},
                "entrance": {"name": "Rodin"},
            }
            await running.execute('mutation { pieceRetitle(id: "thinker", title: "Thinker") { result } }')
            await watch.until(lambda result: result["data"]["hallView"]["centre"]["title"] == "Thinker")
            # What was linked to, and was not there.
            none = Piece(id="none", title="Found")
            await running.runtime.datastore.commit([Set(none.path, none.to_data())])
            last = await watch.until(lambda result: len(result["data"]["hallView"]["shown"]) == 3)
            await running.settled()
            assert await running.execute("{" + HALL + "}") == last


def test_the_schema_says_all_of_it() -> None:
    types = APP.schema.type_map
    piece, purchase = types["PieceView"], types["PurchaseInput"]
    assert isinstance(piece, GraphQLObjectType)
    assert piece.description == "A piece of the collection."
    assert piece.fields["title"].description == "What it is called."
    assert piece.fields["origin"].description == "Where it is from."
    assert piece.fields["sculptors"].deprecation_reason == "There is one sculptor for each piece now."
    assert [one.name for one in piece.interfaces] == ["View", "Node"]
    assert isinstance(purchase, GraphQLInputObjectType)
    assert purchase.fields["oldNumber"].deprecation_reason == "Numbers are ids now."
    loan = types["Loan"]
    assert isinstance(loan, GraphQLObjectType)
    assert loan.description == "Lent by another house."
    assert loan.fields["lender"].description == "Who lent it."
    one_of = types["LoanOrPurchaseInput"]
    assert isinstance(one_of, GraphQLInputObjectType)
    assert one_of.is_one_of
    material = types["Material"]
    assert isinstance(material, GraphQLEnumType)
    assert material.description == "What a piece is made of."
    assert material.values["BRONZE"].description == "An alloy."
    assert material.values["OIL"].deprecation_reason == "Say OIL_ON_CANVAS."
    assert material.values["OIL_ON_CANVAS"].deprecation_reason is None
    assert APP.schema.mutation_type is not None
    retitle = APP.schema.mutation_type.fields["pieceRetitle"]
    assert retitle.deprecation_reason == "Say it with describe."
    assert retitle.description == "Give it another title."
    assert retitle.args["title"].description == "The new one."
    assert retitle.args["loud"].default_value is False
    assert retitle.args["loud"].deprecation_reason == "Titles whisper."
    assert retitle.args["title"].deprecation_reason is None
    hall = types["HallView"]
    assert isinstance(hall, GraphQLObjectType)
    assert str(hall.fields["shown"].type) == "[PieceViewOrSculptorView!]!"
    assert not is_wrapping_type(hall.fields["centre"].type)
    union = types["PieceViewOrSculptorView"]
    assert isinstance(union, GraphQLUnionType)
    assert [one.name for one in union.types] == ["PieceView", "SculptorView"]
    for scalar in ("DateTime", "Date", "Time", "Duration", "Decimal", "UUID", "BigInt", "JSON", "Bytes"):
        assert types[scalar].description


def test_what_an_enum_says_of_its_values_is_text() -> None:
    class Shade(Enum):
        DARK = 1

        def description(self) -> str:
            return "dark"

    class ShadeView(ViewModel):
        store: HallStore

        @field
        def shade(self) -> Shade:
            return Shade.DARK

    with pytest.raises(DeclarationError, match=r"Shade.description: .* make it a property"):
        bff.App(views=[ShadeView])


def test_a_union_of_views_is_declared_as_it_can_be() -> None:
    with pytest.raises(DeclarationError, match=r"Mixed.anything: .* cannot be told apart when stored"):

        class Mixed(ViewModel):
            store: HallStore

            @field
            def anything(self) -> PieceView | Loan:
                raise NotImplementedError

    with pytest.raises(DeclarationError, match=r"Filtered.anything: only single values"):

        class Filtered(ViewModel):
            store: HallStore

            @field(filterable=True)
            def anything(self) -> PieceView | SculptorView:
                raise NotImplementedError

    class Unlisted(ViewModel):
        store: HallStore

        @field
        def anything(self) -> list[SculptorView | HallView]:
            raise NotImplementedError

    with pytest.raises(DeclarationError, match=r"Unlisted.anything: it links to HallView, which is not among the views"):
        bff.App(views=[Unlisted, SculptorView])

    class Oddity(DomainModel, collection="oddities"):
        @mutation
        def look(self) -> PieceView | SculptorView:
            raise NotImplementedError

    with pytest.raises(DeclarationError, match=r"Oddity.look: it answers with views of one kind"):
        bff.App(views=[PieceView, SculptorView], models=[Oddity])
