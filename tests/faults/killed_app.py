"""A shop: mutations that change several documents at once, triggers, and views over queries and links."""

from __future__ import annotations

from enum import Enum

from bff.app import App
from bff.errors import DomainError
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.mediator import Mediator, sink, source
from bff.model.mutation import mutation
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from tests.faults.killing import KillingDatastore

__all__ = ["Customer", "Order", "OrderStatus", "Product", "app"]


class SoldOut(DomainError):
    """There is not enough of it left."""


class OrderStatus(Enum):
    PLACED = "PLACED"
    CANCELLED = "CANCELLED"


class Product(DomainModel, collection="products"):
    name: str
    price: int
    stock: int


class Customer(DomainModel, collection="customers"):
    name: str
    spent: int = 0

    @mutation
    async def close_account(self) -> None:
        await self.delete()


class Order(DomainModel, collection="orders"):
    customer: Ref[Customer]
    product: Ref[Product]
    quantity: int
    price: int
    status: OrderStatus = OrderStatus.PLACED

    @mutation
    async def cancel(self) -> None:
        """Give back the money and the goods."""
        customer, product = await self.customer.get(), await self.product.get()
        self.status = OrderStatus.CANCELLED
        if product is not None:
            product.stock += self.quantity
        if customer is not None:
            customer.spent -= self.quantity * self.price


class Receipt(DomainModel, collection="receipts"):
    customer: Ref[Customer]


class Ledger(DomainModel, collection="ledgers"):
    entries: int = 0


class Welcome(DomainModel, collection="welcomes"):
    text: str


class Farewell(DomainModel, collection="farewells"):
    text: str


class ProductStore(Store):
    product = reference(Product)
    orders = reference(Order, where=lambda s: Order.product == s.product.ref, many=True)
    customers = reference(Customer, of=lambda s: [order.customer for order in s.orders], many=True)


class ProductPage(ViewModel):
    store: ProductStore

    @field
    def name(self) -> str:
        return self.store.product.name

    @field(filterable=True)
    def price(self) -> int:
        return self.store.product.price

    @price.setter
    def price(self, value: int) -> None:
        self.store.product.price = value

    @field
    def stock(self) -> int:
        return self.store.product.stock

    @field
    def sold(self) -> int:
        return sum(order.quantity for order in self.store.orders if order.status is OrderStatus.PLACED)

    @field
    def buyers(self) -> list[str]:
        placed = {order.customer for order in self.store.orders if order.status is OrderStatus.PLACED}
        return sorted({customer.name for customer in self.store.customers if customer is not None and customer.ref in placed})


class CustomerStore(Store):
    customer = reference(Customer)
    orders = reference(Order, where=lambda s: Order.customer == s.customer.ref, many=True)
    receipts = reference(Receipt, where=lambda s: Receipt.customer == s.customer.ref, many=True)
    ledger = reference(Ledger, of=lambda s: Ledger.ref(s.customer.id))
    welcome = reference(Welcome, of=lambda s: Welcome.ref(s.customer.id))


class CustomerPage(ViewModel):
    store: CustomerStore

    @field
    def name(self) -> str:
        return self.store.customer.name

    @name.setter
    def name(self, value: str) -> None:
        self.store.customer.name = value

    @field
    def spent(self) -> int:
        return self.store.customer.spent

    @field
    def entries(self) -> int:
        return 0 if self.store.ledger is None else self.store.ledger.entries

    @field
    def receipts(self) -> int:
        return len(self.store.receipts)

    @field
    def welcome(self) -> str | None:
        return None if self.store.welcome is None else self.store.welcome.text

    @field
    def products(self) -> list[ProductPage]:
        return [ProductPage.of(order.product) for order in self.store.orders]


class Shop(Mediator):
    """The counter, and the office behind it."""

    orders = source(Order)
    customers = source(Customer)
    receipts = sink(Receipt)
    welcomes = sink(Welcome)
    farewells = sink(Farewell)

    @orders.on_create
    async def account(self, order: Order) -> None:
        ledger = await Ledger.get(order.customer.id) or Ledger(id=order.customer.id)
        ledger.entries += 1
        await ledger.save()
        self.receipts.emit(Receipt(id=order.id, customer=order.customer))

    @customers.on_create
    def greet(self, customer: Customer) -> None:
        self.welcomes.emit(Welcome(id=customer.id, text=f"Welcome, {customer.name}"))

    @customers.on_delete
    def say_goodbye(self, customer: Customer) -> None:
        self.farewells.emit(Farewell(id=customer.id, text=f"Goodbye, {customer.name}"))

    @mutation
    async def open_account(self, id: str, name: str) -> CustomerPage:
        await Customer(id=id, name=name).save()
        return CustomerPage.of(id)

    @mutation
    async def place_order(self, customer: Customer, product: Product, order_id: str, quantity: int) -> CustomerPage:
        """Take goods and money: three documents, all of them or none."""
        if product.stock < quantity:
            raise SoldOut(product.id)
        product.stock -= quantity
        customer.spent += quantity * product.price
        await Order(id=order_id, customer=customer.ref, product=product.ref, quantity=quantity, price=product.price).save()
        return CustomerPage.of(customer)


app = App(views=[ProductPage, CustomerPage], mediators=[Shop], datastore=KillingDatastore())
