"""Evaluating the fields of a view over a loaded store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from weakref import ref as weakref

from bff.errors import BuildError
from bff.model.shape import CodecError
from bff.types import Value

if TYPE_CHECKING:
    from bff.model.store import Store
    from bff.model.view_definition import ViewDefinition
    from bff.model.view_model import ViewModel

__all__ = ["Evaluation", "FieldResult", "evaluate", "open_for_writing"]

V = TypeVar("V", bound="ViewModel")


class FieldResult(NamedTuple):
    """A field's stored value, and the references that it read, itself or through other fields."""

    value: Value
    reads: frozenset[str]


class Evaluation:
    """The fields of one view, each evaluated at most once (until one is assigned)."""

    def __init__(
        self, definition: ViewDefinition, key: str, store: Store, reuse: Mapping[str, tuple[Value, frozenset[str]]] | None = None
    ) -> None:
        self.key = key
        self._definition = definition
        self._reuse = reuse or {}
        self._values: dict[str, Any] = {}
        self._reads: dict[str, frozenset[str]] = {}
        self._open: dict[str, set[str]] = {}
        self._record = _recorder(self._open)
        self.store = type(store)(store._values, self._record)
        self._view: weakref[ViewModel] | None = None

    def open(self) -> ViewModel:
        """The view. It holds this, and is not held by it: all that it was made of is gone with it, at once."""
        made = self._definition.view._opened(self)
        self._view = weakref(made)
        return made

    @property
    def view(self) -> ViewModel:
        view = None if self._view is None else self._view()
        assert view is not None, "whoever asks for a field has the view"
        return view

    def read(self, name: str) -> Any:
        """The value of a field. Raises BuildError."""
        if name not in self._values:
            self._evaluate(name)
        for reference in self._reads[name]:
            self._record(reference)
        return self._values[name]

    def result(self, name: str) -> FieldResult:
        """The stored value of a field. Raises BuildError."""
        if name in self._reuse:
            return FieldResult(*self._reuse[name])
        value = self.read(name)
        try:
            return FieldResult(self._definition.stored[name].codec.encode(value), self._reads[name])
        except CodecError as error:
            raise BuildError(f"{self._where(name)}: {error}") from error

    def assign(self, name: str, value: Any) -> None:
        """Call a field's setter. Raises AttributeError where it has none, TypeError where the value is of another type."""
        declared = self._definition.fields[name]
        if declared.setter is None or declared.setter_codec is None:
            raise AttributeError(f"{self._where(name)} has no setter")
        try:
            declared.setter_codec.encode(value)
        except CodecError as error:
            raise TypeError(f"{self._where(name)}: {error}") from None
        declared.setter(self.view, value)
        # What the setter changed is not known to the other fields: they are evaluated again.
        self._values.clear()
        self._reads.clear()

    def _evaluate(self, name: str) -> None:
        declared = self._definition.stored[name]
        if name in self._open:
            raise BuildError(f"{self._where(name)} uses itself ({' → '.join([*self._open, name])})")
        if name in self._reuse:
            stored, self._reads[name] = self._reuse[name]
            self._values[name] = declared.codec.decode(stored)
            return
        self._open[name] = set()
        try:
            value = declared.getter(self.view)
        except BuildError:
            raise
        except Exception as error:
            raise BuildError(f"{self._where(name)} raised {type(error).__name__}: {error}") from error
        finally:
            reads = self._open.pop(name)
        self._values[name], self._reads[name] = value, frozenset(reads)

    def _where(self, name: str) -> str:
        return f"{self._definition.name}.{name}"


def _recorder(open_: dict[str, set[str]]) -> Callable[[str], None]:
    """Notes what is read for the field that is being evaluated, the innermost one."""

    def record(reference: str) -> None:
        if open_:
            next(reversed(open_.values())).add(reference)

    return record


def evaluate(
    view: type[ViewModel], key: str, store: Store, reuse: Mapping[str, tuple[Value, frozenset[str]]] | None = None
) -> dict[str, FieldResult]:
    """Every field of a view over a loaded store, hidden ones too, by its Python name.

    Each getter is called at most once. Fields in ``reuse`` (what is stored of them, and what they read) are not called: their
    inputs did not change. Raises BuildError, which names the field, with what its getter raised as cause.
    """
    definition = view.__view__
    evaluation = Evaluation(definition, key, store, reuse)
    view_ = evaluation.open()
    results = {name: evaluation.result(name) for name in definition.stored}
    del view_  # until here it is held for the getters
    return results


def open_for_writing(view: type[V], key: str, store: Store) -> V:
    """A view whose fields can be read and, where they have a setter, assigned: setters change the documents of the store.

    Assigning raises AttributeError where there is no setter, TypeError where the value is of another type, and whatever the
    setter raises.
    """
    opened = Evaluation(view.__view__, key, store).open()
    assert isinstance(opened, view)
    return opened
