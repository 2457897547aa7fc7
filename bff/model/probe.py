"""A stand-in for documents that a Store has not read: it lets a lambda run, to see what it touches, without a datastore."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bff.errors import DeclarationError
from bff.model.hints import subclasses

__all__ = ["Probe"]


class Probe:
    """Answers every question with a Probe, so that a lambda runs through.

    ``truth`` is what it is in an ``if``: a lambda is run once with each, to see both its branches. Where ``model`` is known, an
    attribute that no document of it has is an error of ``where``.
    """

    __slots__ = ("_many", "_model", "_truth", "_where")

    def __init__(self, truth: bool, where: str = "", model: Any = None, many: bool = False) -> None:
        self._truth = truth
        self._where = where
        self._model = model
        self._many = many

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        model = self._model
        if model is not None and not self._many and not any(hasattr(cls, name) for cls in [model, *subclasses(model)]):
            raise DeclarationError(self._where, f"{model.__name__} has no {name!r}; it has {', '.join(model.model_fields)}")
        return Probe(self._truth)

    def __call__(self, *args: object, **kwargs: object) -> Probe:
        return Probe(self._truth)

    def __getitem__(self, key: object) -> Probe:
        return Probe(self._truth, self._where, self._model) if self._many else Probe(self._truth)

    def __iter__(self) -> Iterator[Probe]:
        yield self[0]

    def __len__(self) -> int:
        return 1

    def __contains__(self, item: object) -> bool:
        return self._truth

    def __bool__(self) -> bool:
        return self._truth

    def __index__(self) -> int:
        return 0

    def __int__(self) -> int:
        return 0

    def __float__(self) -> float:
        return 0.0

    def __hash__(self) -> int:
        return 0

    def __str__(self) -> str:
        return "probe"

    def _probe(self, *others: object) -> Probe:
        return Probe(self._truth)

    __eq__ = __ne__ = _probe  # type: ignore[assignment]
    __lt__ = __le__ = __gt__ = __ge__ = _probe
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _probe
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __and__ = __or__ = __neg__ = __abs__ = _probe
