"""A shop whose views hold every scalar, a link, an enum, a union of results: what a typed client reads."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import bff


class Kind(Enum):
    BREAD = "bread"
    CAKE = "cake"


class SoldOut(bff.DomainError):
    """Nothing is left of it."""

    product_id: str
    left: int

    def __init__(self, product_id: str, left: int) -> None:
        super().__init__(f"{left} are left")
        self.product_id = product_id
        self.left = left


class Product(bff.DomainModel, collection="products"):
    name: str
    kind: Kind = Kind.BREAD
    stock: int = 1

    @bff.mutation(returns="ProductView", errors=[SoldOut])
    def sell(self, count: int, price: Decimal, at: datetime | None = None) -> None:
        if count > self.stock:
            raise SoldOut(self.id, self.stock)
        self.stock -= count


class ProductStore(bff.Store):
    product = bff.reference(Product)


class ProductView(bff.ViewModel):
    store: ProductStore

    @bff.field(filterable=True)
    def name(self) -> str:
        return self.store.product.name

    @bff.field
    def kind(self) -> Kind:
        return self.store.product.kind

    @bff.field
    def stock(self) -> int:
        return self.store.product.stock

    @bff.field
    def price(self) -> Decimal:
        return Decimal("2.50")

    @bff.field
    def baked_at(self) -> datetime:
        return datetime(2026, 5, 1, tzinfo=UTC)

    @bff.field
    def best_before(self) -> date | None:
        return None

    @bff.field
    def opens(self) -> time:
        return time(7)

    @bff.field
    def keeps(self) -> timedelta:
        return timedelta(days=2)

    @bff.field
    def crumbs(self) -> bff.BigInt:
        return 10**12

    @bff.field
    def batch(self) -> UUID:
        return UUID(int=1)

    @bff.field
    def facts(self) -> dict[str, Any]:
        return {}

    @bff.field
    def picture(self) -> bytes:
        return b""


app = bff.App(views=[ProductView], type_defs="scalar Money extend type ProductView { cost: Money }")
