"""``City.population < 1_000_000``: conditions and orders over the attributes of a model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bff.document import join_path
from bff.errors import InvalidQuery
from bff.model.compounds import DictShape, ListShape, ModelShape, OptionalShape, ValueShape
from bff.model.probe import Probe
from bff.model.ref import Ref
from bff.model.scalars import IntShape
from bff.model.shape import CodecError, Shape
from bff.query import LISTS, PATH, RANGES, And, Compare, Direction, Filter, Op, Or, Order
from bff.types import Value

if TYPE_CHECKING:
    from bff.model.domain_model import DomainModel

__all__ = ["Attribute", "Condition", "Ordering", "UnknownField", "attribute"]

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Condition:
    """What documents must satisfy. Combine them with ``&`` and ``|``, in parentheses: ``(City.state == "CA") | (…)``.

    ``models`` are those whose attributes it names.
    """

    filter: Filter
    models: frozenset[type[DomainModel]]

    def __and__(self, other: Condition) -> Condition:
        return Condition(And((self.filter, _filter(other))), self.models | other.models)

    def __or__(self, other: Condition) -> Condition:
        return Condition(Or((self.filter, _filter(other))), self.models | other.models)

    def __bool__(self) -> bool:
        raise InvalidQuery(
            "a condition is neither true nor false: join conditions with & and | in parentheses, not with and, or, not, "
            "nor by chaining (1 < City.population < 9)"
        )


def _filter(other: object) -> Filter:
    if not isinstance(other, Condition):
        raise InvalidQuery(f"{other!r} is no condition; put each comparison in parentheses: (City.state == 'CA') & (…)")
    return other.filter


@dataclass(frozen=True, slots=True)
class Ordering:
    """An attribute and a direction."""

    attribute: Attribute
    direction: Direction

    def to_order(self) -> Order:
        name, shape = self.attribute.resolve()
        if shape is not None and not shape.ordered:
            raise InvalidQuery(
                f"{self.attribute} cannot be ordered by: it is stored in a form that does not sort as its values do"
            )
        return Order(name, self.direction)


class Attribute:
    """An attribute of a model class, in a query: ``City.population``, ``City.mayor.name``, ``City.id``.

    ``<``, ``<=``, ``>``, ``>=``, ``==`` and ``!=`` make conditions, as do ``in_``, ``not_in``, ``contains`` and ``contains_any``;
    ``asc()`` and ``desc()`` make orders. Operands have the attribute's type; None is null. Raises InvalidQuery.
    """

    __slots__ = ("_model", "_steps")

    def __init__(self, model: type[DomainModel], *steps: str) -> None:
        self._model = model
        self._steps = steps

    def __lt__(self, operand: object) -> Condition:
        return self.compare(Op.LT, operand)

    def __le__(self, operand: object) -> Condition:
        return self.compare(Op.LE, operand)

    def __gt__(self, operand: object) -> Condition:
        return self.compare(Op.GT, operand)

    def __ge__(self, operand: object) -> Condition:
        return self.compare(Op.GE, operand)

    def __eq__(self, operand: object) -> Condition:  # type: ignore[override]
        return self.compare(Op.EQ, operand)

    def __ne__(self, operand: object) -> Condition:  # type: ignore[override]
        return self.compare(Op.NE, operand)

    def in_(self, operands: Iterable[object]) -> Condition:
        """One of 1 to 30 values."""
        return self.compare(Op.IN, operands)

    def not_in(self, operands: Iterable[object]) -> Condition:
        """None of 1 to 30 values, and not null."""
        return self.compare(Op.NOT_IN, operands)

    def contains(self, operand: object) -> Condition:
        """A list that has this element."""
        return self.compare(Op.ARRAY_CONTAINS, operand)

    def contains_any(self, operands: Iterable[object]) -> Condition:
        """A list that has one of 1 to 30 elements."""
        return self.compare(Op.ARRAY_CONTAINS_ANY, operands)

    def asc(self) -> Ordering:
        return Ordering(self, Direction.ASCENDING)

    def desc(self) -> Ordering:
        return Ordering(self, Direction.DESCENDING)

    def __getitem__(self, key: str) -> Attribute:
        """A field of a nested model, by its Python name, or an entry of a map, by its key."""
        return Attribute(self._model, *self._steps, key)

    def __getattr__(self, name: str) -> Attribute:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __hash__(self) -> int:
        return hash((self._model, self._steps))

    def __bool__(self) -> bool:
        raise InvalidQuery(f"{self} is an attribute of the class, which has no value; compare it: {self} == True")

    def __str__(self) -> str:
        return ".".join((self._model.__name__, *self._steps))

    __repr__ = __str__

    @property
    def model(self) -> type[DomainModel]:
        return self._model

    def resolve(self) -> tuple[str, Shape | None]:
        """Its path in documents, and how its values are stored (None for the id). Raises InvalidQuery."""
        first, *inner = self._steps
        if first == "id":
            return PATH, None
        declared = self._model.__document__.fields[first]
        names, shape = [declared.document_name], declared.codec.shape
        for step in inner:
            name, shape = self._enter(shape, step)
            names.append(name)
        return ".".join(names), shape

    def _enter(self, shape: Shape, step: str) -> tuple[str, Shape]:
        while isinstance(shape, OptionalShape):
            shape = shape.inner
        if isinstance(shape, ModelShape):
            if step not in shape.fields:
                raise InvalidQuery(f"{self}: {shape.model.__name__} has no field {step!r}; it has {', '.join(shape.fields)}")
            return shape.fields[step]
        if isinstance(shape, DictShape | ValueShape):
            if not _PLAIN_KEY.fullmatch(step):
                raise InvalidQuery(f"{self}: the key {step!r} cannot be part of a field path; use letters, digits and _")
            return step, shape.value if isinstance(shape, DictShape) else shape
        raise InvalidQuery(f"{self}: there is nothing named {step!r} in it; it is neither a nested model nor a map")

    def compare(self, op: Op, operand: Any) -> Condition:
        """``self op operand``. Raises InvalidQuery where the operand does not fit."""
        name, shape = self.resolve()
        if op in RANGES and shape is not None and not shape.ordered:
            raise InvalidQuery(f"{self} {op.value}: it is stored in a form that does not sort as its values do; use == or in")
        if op in {Op.ARRAY_CONTAINS, Op.ARRAY_CONTAINS_ANY}:
            shape = self._element(op, shape)
        if op in LISTS:
            if isinstance(operand, str | bytes) or not isinstance(operand, Iterable):
                raise InvalidQuery(f"{self} {op.value}: the operand is a list of 1 to 30 values, not {operand!r}")
            stored: Value = [self._operand(op, shape, one) for one in operand]
        else:
            stored = self._operand(op, shape, operand)
        return Condition(Compare(name, op, stored), frozenset({self._model}))

    def _element(self, op: Op, shape: Shape | None) -> Shape:
        while isinstance(shape, OptionalShape):
            shape = shape.inner
        if isinstance(shape, ListShape):
            return shape.element
        if isinstance(shape, ValueShape):
            return shape
        raise InvalidQuery(f"{self} {op.value}: it is not a list")

    def _operand(self, op: Op, shape: Shape | None, operand: Any) -> Value:
        if isinstance(operand, Probe):
            # A Store's lambda is being looked at. Any value will do that every operator takes.
            return ""
        if shape is None:
            return self._path(operand)
        if operand is None:
            return None
        inner = shape.inner if isinstance(shape, OptionalShape) else shape
        if isinstance(inner, IntShape) and isinstance(operand, float):
            return operand
        try:
            return shape.encode(operand)
        except CodecError as error:
            raise InvalidQuery(f"{self} {op.value} {operand!r}: {error}") from None

    def _path(self, operand: object) -> str:
        if isinstance(operand, Ref):
            return operand.path
        if not isinstance(operand, str):
            raise InvalidQuery(f"{self}: an id is a str, not {operand!r}")
        return join_path(self._model.__collection__, operand)


class UnknownField(InvalidQuery):
    """A query names a field that the model has not, whatever it is compared with."""


def attribute(model: type[DomainModel], named: object) -> Attribute:
    """What a query names: an attribute of the class, or the path of a document field (``cityState``, ``mayor.firstName``).

    Raises UnknownField where the model has no such field, InvalidQuery.
    """
    if isinstance(named, Attribute):
        return named
    if not isinstance(named, str):
        raise InvalidQuery(f"{model.__name__}: {named!r} is neither an attribute of the class nor the name of a document field")
    if named in {"id", PATH}:
        return Attribute(model, "id")
    definition = model.__document__
    first, *rest = named.split(".")
    declared = definition.by_document_name.get(first)
    if declared is None:
        known = definition.fields.get(first)
        hint = (
            f"in documents {first!r} is {known.document_name!r}" if known else f"it has {', '.join(definition.by_document_name)}"
        )
        raise UnknownField(f"{model.__name__} has no document field {first!r}; {hint}")
    return Attribute(model, declared.name, *_python_steps(declared.codec.shape, rest))


def _python_steps(shape: Shape, names: Sequence[str]) -> Iterable[str]:
    """The Python names of a path of document names."""
    for position, name in enumerate(names):
        while isinstance(shape, OptionalShape):
            shape = shape.inner
        if not isinstance(shape, ModelShape):
            yield from names[position:]
            return
        found = next(((step, inner) for step, (stored, inner) in shape.fields.items() if stored == name), None)
        if found is None:
            yield from names[position:]
            return
        step, shape = found
        yield step
