"""Every kind of type, from the declaration to the schema and through queries, mutations and subscriptions over the network."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLObjectType, GraphQLUnionType, is_wrapping_type

import bff
from bff import DomainModel, Settings, ViewModel, field, mutation
from bff.datastore.port import Set
from bff.errors import DeclarationError
from bff.testing.harness import AppHarness
from tests.app.gallery import (
    APP,
    DESCRIBE,
    DESCRIBED,
    PIECE,
    VARIABLES,
    HallStore,
    HallView,
    Loan,
    Material,
    Piece,
    PieceView,
    SculptorView,
    fill,
)

pytestmark = pytest.mark.anyio


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
