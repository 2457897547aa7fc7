"""A hash of the code that makes a view: when it differs, stored views are built again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from bff.model.compounds import DictShape, ListShape, ModelShape, OptionalShape, UnionShape
from bff.model.field import FieldDefinition
from bff.model.shape import Shape
from bff.model.store import StoreDefinition

__all__ = ["definition_hash"]

_CONSTANTS = (str, bytes, int, float, complex, bool, type(None), type(Ellipsis))


def definition_hash(fields: Mapping[str, FieldDefinition], store: StoreDefinition) -> str:
    """The hash of a view's getters and annotations, of its store's lambdas, and of the models that it reads.

    Functions of the same package that these call count too, as do the constants that they name; data that they read elsewhere
    does not. The same in every process of one Python version.
    """
    digest = _Digest()
    for name, field in fields.items():
        digest.add("field", name, str(field.filterable))
        digest.shape(field.codec.shape)
        digest.function(field.getter)
    for reference in store.references:
        digest.add("reference", reference.name, reference.model.__name__, str(reference.many))
        for function in (reference.of, reference.where):
            digest.function(function)
        digest.model(reference.model)
    return digest.hexdigest()


class _Digest:
    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._seen: set[int] = set()
        self._shapes: set[Shape] = set()

    def hexdigest(self) -> str:
        return self._hash.hexdigest()

    def add(self, *parts: str) -> None:
        for part in parts:
            data = part.encode("utf-8", "surrogatepass")
            self._hash.update(b"%d:" % len(data) + data)

    def shape(self, shape: Shape) -> None:
        """How values are stored, nested models with all their fields."""
        self.add(type(shape).__name__)
        match shape:
            case OptionalShape():
                self.shape(shape.inner)
            case ListShape():
                self.shape(shape.element)
            case DictShape():
                self.shape(shape.value)
            case UnionShape():
                for member in shape.members:
                    self.shape(member)
            case ModelShape():
                self.add(shape.model.__name__)
                if shape in self._shapes:
                    return
                self._shapes.add(shape)
                for name, (document_name, inner) in shape.fields.items():
                    self.add(name, document_name)
                    self.shape(inner)
            case _:
                self.add(shape.stored_as)

    def model(self, model: Any) -> None:
        """The fields of a model, and its methods and properties, which getters may use."""
        definition = model.__document__
        self.add("model", definition.name, definition.collection)
        for field in definition.fields.values():
            self.add(field.name, field.document_name)
            self.shape(field.codec.shape)
        for cls in model.__mro__:
            if cls.__module__.partition(".")[0] in {"bff", "pydantic", "builtins", "typing", "abc"}:
                continue
            for name in sorted(vars(cls)):
                value = vars(cls)[name]
                for function in (value, *(getattr(value, part, None) for part in ("fget", "func", "__func__", "wrapped"))):
                    if isinstance(function, FunctionType):
                        self.add("method", name)
                        self.function(function)

    def function(self, function: Any) -> None:
        function = getattr(function, "__func__", function)
        if not isinstance(function, FunctionType):
            self.add("callable", getattr(function, "__qualname__", type(function).__qualname__))
            return
        if id(function) in self._seen:
            return
        self._seen.add(id(function))
        self._code(function.__code__)
        for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._named("default", default, function)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                self._named(name, cell.cell_contents, function)
            except ValueError:
                self.add("empty", name)
        for name in sorted(set(_names(function.__code__))):
            if name in function.__globals__:
                self._named(name, function.__globals__[name], function)

    def _named(self, name: str, value: Any, user: FunctionType) -> None:
        """A value that a function names: constants count, and functions of its own package."""
        if isinstance(value, FunctionType | MethodType):
            if value.__module__.partition(".")[0] == user.__module__.partition(".")[0]:
                self.add("calls", name)
                self.function(value)
        elif isinstance(value, _CONSTANTS):
            self.add("constant", name, repr(value))
        elif isinstance(value, tuple | frozenset) and all(isinstance(item, _CONSTANTS) for item in value):
            self.add("constant", name, *_sorted(value))
        elif isinstance(value, ModuleType):
            self.add("module", name, value.__name__)

    def _code(self, code: CodeType) -> None:
        self.add("code", code.co_code.hex(), *code.co_names, *code.co_varnames, *code.co_freevars)
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self._code(constant)
            elif isinstance(constant, frozenset):
                # A set has another order in every process.
                self.add("frozenset", *_sorted(constant))
            else:
                self.add(type(constant).__name__, repr(constant))


def _names(code: CodeType) -> Iterable[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _sorted(values: Iterable[Any]) -> list[str]:
    return sorted(f"{type(value).__name__}:{value!r}" for value in values)
