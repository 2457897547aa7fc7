"""A café: orders of several kinds, and what its screens show. Every App needs its own settings: make one with ``cafe()``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ariadne import MutationType

from bff.app import App
from bff.connection import transaction
from bff.errors import DomainError
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.mediator import Mediator, sink
from bff.model.mutation import mutation
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from bff.testing.harness import AppHarness


class SoldOut(DomainError): ...


class Tip(DomainModel, collection="tips"):
    """No view reads it."""

    amount: int


class Cake(DomainModel, collection="cakes"):
    name: str
    slices: int

    @mutation(returns="CakePage")
    def cut(self, pieces: int = 1) -> None:
        if self.slices < pieces:
            raise SoldOut(f"there are {self.slices} left")
        self.slices -= pieces

    @mutation(errors=[SoldOut], returns="CakePage")
    def take(self) -> None:
        if not self.slices:
            raise SoldOut("nothing is left")
        self.slices -= 1

    @mutation
    def weigh(self, text: str = "", times: int = 1) -> dict[str, Any]:
        self.slices += 1
        return {"nested": {"a": [1, 2], "$b": "x"}, "slices": self.slices, "text": text * times}


class Table(DomainModel, collection="tables"):
    number: int


class Order(DomainModel, collection="orders"):
    table: Ref[Table]
    cake: Ref[Cake]


class CakeStore(Store):
    cake = reference(Cake)


class TableStore(Store):
    table = reference(Table)
    orders = reference(Order, where=lambda s: Order.table == s.table.ref, many=True)
    cakes = reference(Cake, of=lambda s: [one.cake for one in s.orders], many=True)


class CakePage(ViewModel):
    store: CakeStore

    @field
    def name(self) -> str:
        return self.store.cake.name

    @name.setter
    def name(self, value: str) -> None:
        self.store.cake.name = value

    @field(filterable=True)
    def slices(self) -> int:
        return self.store.cake.slices


class TablePage(ViewModel):
    store: TableStore

    @field
    def number(self) -> int:
        return self.store.table.number

    @field
    def eats(self) -> list[str]:
        return sorted(cake.name for cake in self.store.cakes if cake is not None)

    @field
    def cakes(self) -> list[CakePage]:
        return [CakePage.of(cake) for cake in self.store.cakes if cake is not None]


class Waiter(Mediator):
    tips = sink(Tip)

    @mutation
    async def seat(self, table_id: str, number: int) -> TablePage:
        await Table(id=table_id, number=number).save()
        return TablePage.of(table_id)

    @mutation
    async def bring(self, table: Table, cake: Cake, order_id: str) -> TablePage:
        await Order(id=order_id, table=table.ref, cake=cake.ref).save()
        cake.slices -= 1
        return TablePage.of(table)

    @mutation
    async def move(self, order: Order, to: Table) -> TablePage:
        order.table = to.ref
        return TablePage.of(to)

    @mutation
    async def clear(self, order: Order) -> str:
        await order.delete()
        return order.id

    @mutation
    def tip(self, amount: int) -> str:
        tip = Tip.new(amount=amount)
        self.tips.emit(tip)
        return tip.id

    @mutation
    async def bake(self, count: int) -> int:
        for number in range(count):
            await Cake.new(name=f"cake {number}", slices=8).save()
        return count


own = MutationType()


@own.field("drop")
async def _drop(_: Any, info: Any, id: str) -> int:
    """A hand-written mutation, each save of it its own commit."""
    cake = await Cake.get(id)
    assert cake is not None
    cake.slices -= 1
    await cake.save()

    async def once_more() -> None:
        cake = await Cake.get(id)
        assert cake is not None
        cake.slices -= 1

    await transaction(once_more)
    return cake.slices - 1


TYPE_DEFS = "extend type Mutation { drop(id: ID!): Int! }"


def cafe() -> App:
    return App(views=[CakePage, TablePage], mediators=[Waiter], models=[Tip], type_defs=TYPE_DEFS, bindables=[own])


app = cafe()


async def fill() -> None:
    await asyncio.gather(
        Cake(id="apple", name="Apple", slices=100).save(),
        Cake(id="nut", name="Nut", slices=100).save(),
        Table(id="t1", number=1).save(),
        Table(id="t2", number=2).save(),
        Order(id="o1", table=Table.ref("t1"), cake=Cake.ref("apple")).save(),
    )


async def ask(
    running: AppHarness,
    query: str,
    variables: Mapping[str, Any] | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    **extensions: Any,
) -> dict[str, Any]:
    """The whole response, ``extensions.bff`` of the request given by name."""
    given = {"bff": extensions} if extensions else None
    return await running.execute(query, variables, extensions=given, headers=headers)


def told(answer: Mapping[str, Any]) -> dict[str, Any]:
    """``extensions.bff`` of a response without errors."""
    assert "errors" not in answer, answer
    found: dict[str, Any] = answer["extensions"]["bff"]
    return found


def code(answer: Mapping[str, Any]) -> str:
    [error] = answer["errors"]
    found: str = error["extensions"]["code"]
    return found
