"""A counter with somebody who asks for its headers: what the explorer is tried on."""

from __future__ import annotations

from typing import Any

from ariadne import QueryType

import bff

query = QueryType()


class Counter(bff.DomainModel, collection="counters"):
    value: int = 0

    @bff.mutation(returns="CounterView")
    @classmethod
    async def count(cls, id: str) -> Counter:
        counter = await cls.get(id) or cls(id=id)
        counter.value += 1
        await counter.save()
        return counter


class CounterStore(bff.Store):
    counter = bff.reference(Counter)


class CounterView(bff.ViewModel):
    store: CounterStore

    @bff.field
    def value(self) -> int:
        return self.store.counter.value


@query.field("header")
def header(_: Any, info: Any, name: str) -> str | None:
    found: str | None = info.context.request.headers.get(name)
    return found


app = bff.App(views=[CounterView], type_defs="extend type Query { header(name: String!): String }", bindables=[query])
