"""What a codec is made of: one way of storing one kind of value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bff.types import Value

if TYPE_CHECKING:
    from bff.model.view_model import ViewModel

__all__ = ["CodecError", "Shape", "expected"]


class CodecError(ValueError):
    """A value cannot be stored, or what is stored is no such value; ``path`` says where in it: ``attending[2].name``."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path = ""

    def within(self, step: str | int) -> CodecError:
        """This error, seen from the value that holds the one it is about."""
        head = f"[{step}]" if isinstance(step, int) else str(step)
        joint = "." if self.path and not self.path.startswith("[") else ""
        self.path = f"{head}{joint}{self.path}"
        return self

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" if self.path else self.problem


class Shape(ABC):
    """Values of one kind, and how a document stores them. ``decode(encode(value)) == value``."""

    ordered = False
    """Whether stored values sort as the values do: whether ``<`` and ``order_by`` make sense."""

    filterable = False
    """Whether clients can be given a filter over it."""

    stored_as = ""
    """What tells it from other shapes of its class: part of what a view's definition hash covers."""

    as_is: frozenset[type] = frozenset()
    """The types of which every value is stored as it is, and read back as that; of text, what is ASCII."""

    views: tuple[type[ViewModel], ...] = ()
    """The views that its values point to, one of these each."""

    @abstractmethod
    def encode(self, value: Any) -> Value:
        """The stored form. Raises CodecError where the value is of another type or cannot be stored."""

    @abstractmethod
    def decode(self, stored: Any) -> Any:
        """The value. Raises CodecError where what is stored is no such value."""

    def holds(self, stored: Any) -> bool:
        """Whether that is the stored form of such a value: what other code has stored may be none."""
        if type(stored) in self.as_is:
            return True
        try:
            self.decode(stored)
        except CodecError:
            return False
        return True

    @property
    def decoder(self) -> Callable[[Any], Any]:
        """``decode``, for whoever calls it often."""
        return self.decode


def expected(what: str, value: object) -> CodecError:
    """``expected str, got int 3``."""
    shown = repr(value)
    return CodecError(f"expected {what}, got {type(value).__name__} {shown if len(shown) <= 60 else shown[:57] + '...'}")
