"""A new document that a form fills in, field by field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from bff.model.domain_model import DomainModel, fresh_id
from bff.model.form_error import FormError

__all__ = ["Creates", "Draft", "creates"]

T = TypeVar("T", bound="DomainModel")


class Draft:
    """Holds what was assigned, and by which entry, until all of it makes a document.

    Raises AttributeError where its model has no such field, and where one is read that is not set.
    """

    __slots__ = ("_by", "_entry", "_model", "_values")

    def __init__(self, model: type[DomainModel], entry: Callable[[], str | None]) -> None:
        _set(self, "_model", model)
        _set(self, "_entry", entry)
        _set(self, "_values", {"id": fresh_id()})
        _set(self, "_by", {})

    def __setattr__(self, name: str, value: Any) -> None:
        model: type[DomainModel] = self._model
        if name not in model.model_fields:
            raise AttributeError(f"{model.__name__} has no field {name!r}; it has {', '.join(model.model_fields)}")
        self._values[name] = value
        self._by[name] = self._entry()

    def __getattr__(self, name: str) -> Any:
        if name in self._values:
            return self._values[name]
        field = self._model.model_fields.get(name)
        if field is None or field.is_required():
            raise AttributeError(f"{name!r} of the new {self._model.__name__} is not set yet")
        return field.get_default(call_default_factory=True)

    def assigned_by(self, name: str) -> str | None:
        """The field of the form whose entry assigned this."""
        field: str | None = self._by.get(name)
        return field


_set = object.__setattr__


class Creates:
    """What ``creates(City)`` leaves in the class: on a form, its draft, and once that is complete the new document."""

    def __init__(self, model: type[DomainModel]) -> None:
        self.model = model
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, form: Any, owner: type) -> Any:
        return self if form is None else form._made[self.name]


def creates(model: type[T]) -> T:
    """A new document that a form makes: ``city = creates(City)``, then ``self.city.city_name = value`` in its entries."""
    return cast("T", Creates(model))


def complete(draft: Draft, field_of: Callable[[str], str | None]) -> tuple[DomainModel | None, list[FormError]]:
    """The document, or what is wrong with it: each with the field whose entry assigned it, or that has its name."""
    try:
        return draft._model.new(**draft._values), []
    except ValidationError as wrong:
        errors = []
        for one in wrong.errors(include_url=False):
            attribute = str(one["loc"][0]) if one["loc"] else ""
            field = draft._by.get(attribute) or field_of(attribute)
            code = "REQUIRED" if one["type"] == "missing" else "BAD_VALUE"
            errors.append(FormError(field, code, str(one["msg"]).removeprefix("Value error, ")))
        return None, errors
