"""Queries over a model, written fluently."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bff.errors import InvalidQuery
from bff.model.compounds import OBJ_TYPE
from bff.model.condition import Attribute, Condition, Ordering, UnknownField, attribute
from bff.model.session import current_session
from bff.query import PATH, Compare, Cursor, Direction, Op, Order, Query, conjunction
from bff.types import Value

if TYPE_CHECKING:
    from bff.model.domain_model import DomainModel

__all__ = ["Find"]

T = TypeVar("T", bound="DomainModel")

_MAX_CLASSES = 30


@dataclass(frozen=True, slots=True)
class _Position:
    """Where results start or end: values of the order, or a document."""

    values: tuple[Any, ...]
    inclusive: bool


@dataclass(frozen=True, slots=True)
class Find(Generic[T]):
    """A query over a model and its subclasses. Every method returns a new one; nothing is read before it is iterated or awaited.

    ``async for city in City.where(City.population < 1_000_000, state="CA").order_by(City.name).limit(10): ...``

    Raises InvalidQuery where an operand, an order or a cursor does not fit, NoSession where no datastore is connected.
    """

    model: type[T]
    conditions: tuple[Condition, ...] = ()
    orders: tuple[Ordering, ...] = ()
    limit_to: int | None = None
    start: _Position | None = None
    end: _Position | None = None

    def where(self, *conditions: Any, **equalities: Any) -> Find[T]:
        """Only what satisfies all of the conditions.

        Three forms, which mean the same: ``where(City.state == "CA")``; ``where(state="CA")``, with Python names; and
        ``where("cityState", "==", "CA")``, with document names or an attribute, and any operator of ``bff.query.Op``:
        ``where(City.state, "in", ["CA", "NY"])``.
        """
        if conditions and isinstance(conditions[0], str | Attribute):
            added = [self._triple(conditions)]
        else:
            added = [self._condition(condition) for condition in conditions]
        added += [self._named(name).compare(Op.EQ, value) for name, value in equalities.items()]
        return Find(self.model, (*self.conditions, *added), self.orders, self.limit_to, self.start, self.end)

    def order_by(self, *attributes: Any, descending: bool = False) -> Find[T]:
        """Order by attributes, after the orders before: ``City.name``, ``City.name.desc()`` or ``"cityName"``."""
        direction = Direction.DESCENDING if descending else Direction.ASCENDING
        orders = [
            named if isinstance(named, Ordering) else Ordering(attribute(self.model, named), direction) for named in attributes
        ]
        for ordering in orders:
            self._check(ordering.attribute.model)
            ordering.to_order()
        return replace(self, orders=(*self.orders, *orders))

    def limit(self, count: int) -> Find[T]:
        """At most so many."""
        if count < 1:
            raise InvalidQuery(f"limit {count}: a query asks for at least one document")
        return replace(self, limit_to=count)

    def start_after(self, *values: Any) -> Find[T]:
        """What comes after a position: values of the order, one for each attribute, or a document."""
        return replace(self, start=_Position(values, inclusive=False))

    def start_at(self, *values: Any) -> Find[T]:
        """What comes at a position and after it."""
        return replace(self, start=_Position(values, inclusive=True))

    def end_before(self, *values: Any) -> Find[T]:
        """What comes before a position."""
        return replace(self, end=_Position(values, inclusive=False))

    def end_at(self, *values: Any) -> Find[T]:
        """What comes before a position and at it."""
        return replace(self, end=_Position(values, inclusive=True))

    async def list(self) -> list[T]:
        """All results."""
        return await current_session().find(self)

    async def first(self) -> T | None:
        """The first result, or None."""
        found = await current_session().find(self.limit(1))
        return found[0] if found else None

    async def __aiter__(self) -> AsyncIterator[T]:
        for model in await current_session().find(self):
            yield model

    def to_query(self) -> Query:
        """The query of documents that this is."""
        filters = [condition.filter for condition in self.conditions]
        if classes := self.model.stored_classes():
            if len(classes) > _MAX_CLASSES:
                raise InvalidQuery(
                    f"{self.model.__name__} has over {_MAX_CLASSES} subclasses: query the class that has the collection"
                )
            alone = len(classes) == 1
            filters.append(Compare(OBJ_TYPE, Op.EQ, classes[0]) if alone else Compare(OBJ_TYPE, Op.IN, list(classes)))
        orders = tuple([ordering.to_order() for ordering in self.orders])
        query = Query(self.model.__document__.collection, conjunction(filters), orders, self.limit_to)
        if self.start is None and self.end is None:
            return query
        orders = query.full_order()
        return replace(query, start=self._cursor(orders, self.start), end=self._cursor(orders, self.end))

    def _cursor(self, orders: Sequence[Order], position: _Position | None) -> Cursor | None:
        if position is None:
            return None
        values = position.values
        if len(values) == 1 and (path := getattr(values[0], "path", None)) and hasattr(values[0], "to_data"):
            data = {**values[0].to_data(), PATH: path}
            return Cursor(tuple(_at(data, order.field) for order in orders), position.inclusive)
        if not 0 < len(values) <= len(orders):
            raise InvalidQuery(
                f"a position has 1 to {len(orders)} values here ({', '.join(o.field for o in orders)}), not {len(values)}"
            )
        return Cursor(tuple(self._value(order, value) for order, value in zip(orders, values, strict=False)), position.inclusive)

    def _value(self, order: Order, value: Any) -> Value:
        if order.field == OBJ_TYPE:
            return str(value)
        compared = attribute(self.model, order.field).compare(Op.EQ, value).filter
        assert isinstance(compared, Compare)
        return compared.operand

    def _triple(self, parts: tuple[Any, ...]) -> Condition:
        if len(parts) != 3:
            raise InvalidQuery(
                f"{self.model.__name__}.where: give a field, an operator and an operand, e.g. where('state', '==', 'CA')"
            )
        named, operator, operand = parts
        try:
            op = Op(operator)
        except ValueError:
            raise InvalidQuery(f"{operator!r} is no operator; there are: {', '.join(op.value for op in Op)}") from None
        return self._condition(attribute(self.model, named).compare(op, operand))

    def _condition(self, condition: object) -> Condition:
        if not isinstance(condition, Condition):
            raise InvalidQuery(
                f"{self.model.__name__}.where: {condition!r} is no condition; compare attributes of the class, "
                f"e.g. {self.model.__name__}.id == 'a'"
            )
        for model in condition.models:
            self._check(model)
        return condition

    def _named(self, name: str) -> Attribute:
        if name != "id" and name not in self.model.__document__.fields:
            known = ", ".join(["id", *self.model.__document__.fields])
            raise UnknownField(f"{self.model.__name__} has no field {name!r}; it has {known}")
        return Attribute(self.model, name)

    def _check(self, named: type[DomainModel]) -> None:
        if not (issubclass(self.model, named) or issubclass(named, self.model)):
            raise InvalidQuery(f"a query over {self.model.__name__} cannot name an attribute of {named.__name__}")


def _at(data: dict[str, Any], field: str) -> Value:
    value: Any = data
    for step in [field] if field == PATH else field.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    stored: Value = value
    return stored
