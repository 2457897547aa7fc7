"""The fields of a view: getters over its store, with setters that write back."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Self, TypeVar, overload

from bff.errors import DeclarationError
from bff.model.codec import Codec

if TYPE_CHECKING:
    from bff.model.readers import Readers
    from bff.model.view_model import ViewModel

__all__ = ["Field", "FieldDefinition", "Link", "check_accessors", "field", "setter_value"]

T = TypeVar("T")


class Link(NamedTuple):
    """A field that returns a ViewModel, one of several kinds (``Circle | Square``), or a list of them.

    They are stored as keys, and resolved when a client asks.
    """

    views: tuple[type[ViewModel], ...]
    many: bool

    @property
    def view(self) -> type[ViewModel]:
        """The one kind that there is, or the first."""
        return self.views[0]


class FieldDefinition(NamedTuple):
    """One field of a view, its annotations resolved. ``document_name`` is its name in documents and in GraphQL."""

    name: str
    document_name: str
    annotation: Any
    codec: Codec
    getter: Callable[[Any], Any]
    setter: Callable[[Any, Any], None] | None
    setter_annotation: Any
    setter_codec: Codec | None
    filterable: bool
    deprecated: str | None
    description: str | None
    link: Link | None
    max_age: int | None = None
    readers: str | None = None
    """Of a field that not all readers of the view may see, the name of the hidden field that holds who may."""


class Field(Generic[T]):
    """What ``@field`` leaves in the class. On a view, reading it gives the value; assigning calls its setter."""

    def __init__(
        self,
        getter: Callable[[Any], T],
        filterable: bool = False,
        deprecated: str | None = None,
        description: str | None = None,
        max_age: int | None = None,
        readers: Readers | Callable[[Any], Readers] | None = None,
    ) -> None:
        self.name = ""
        self.getter = getter
        self.filterable = filterable
        self.deprecated = deprecated
        self.description = description
        self.max_age = max_age
        self.readers = readers
        self.write: Callable[[Any, T], None] | None = None
        self.__doc__ = getter.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        # A setter of another name is a second name of the same field: the first one counts.
        self.name = self.name or name

    @overload
    def __get__(self, view: None, owner: type) -> Self: ...
    @overload
    def __get__(self, view: object, owner: type) -> T: ...
    def __get__(self, view: Any, owner: type) -> Any:
        return self if view is None else view._evaluation_of(self.name).read(self.name)

    def __set__(self, view: Any, value: T) -> None:
        view._evaluation_of(self.name).assign(self.name, value)

    def setter(self, function: Callable[[Any, T], None]) -> Field[T]:
        """Let clients write the field, through ``def in_session(self, value: bool) -> None``.

        The function may have the field's own name, as a property's has, or any other one, which mypy and pyright prefer:
        ``@in_session.setter`` over ``def set_in_session(self, value: bool) -> None``.
        """
        if function.__name__ != self.name:
            self.write = function
            return self
        renewed: Field[T] = Field(self.getter, self.filterable, self.deprecated, self.description, self.max_age, self.readers)
        renewed.write = function
        return renewed


@overload
def field(getter: Callable[[Any], T], /) -> Field[T]: ...
@overload
def field(
    *,
    filterable: bool = False,
    deprecated: str | None = None,
    description: str | None = None,
    max_age: int | None = None,
    readers: Readers | Callable[[Any], Readers] | None = None,
) -> Callable[[Callable[[Any], T]], Field[T]]: ...
def field(
    getter: Any = None,
    /,
    *,
    filterable: bool = False,
    deprecated: str | None = None,
    description: str | None = None,
    max_age: int | None = None,
    readers: Readers | Callable[[Any], Readers] | None = None,
) -> Any:
    """Make a method of a ViewModel a field of it: ``def address(self) -> str``.

    It is called at most once a build, reads ``self.store`` and other fields, and returns what its annotation says: any type that
    documents can hold (an int of 32 bits, unless it is annotated BigInt), or a ViewModel, which becomes a link.

    ``filterable`` lets clients filter and order by it; ``deprecated`` says why not to use it any more; ``description`` is its
    docstring unless given. ``max_age`` is for how many seconds a client may show its value again without asking whether it has
    changed (``Cache-Control``); the view's own by default. ``readers`` are those of the readers who may see the field, or a
    function that tells from the view (``lambda self: Readers.users(self.store.host.id)``); to others it is null. Raises
    DeclarationError, when the view is declared.
    """
    if getter is not None and not callable(getter):
        raise DeclarationError(repr(getter), "@field is for methods; its options have names: @field(filterable=True)")

    def declare(method: Callable[[Any], Any]) -> Field[Any]:
        return Field(method, filterable, deprecated, description, max_age, readers)

    return declare if getter is None else declare(getter)


def check_accessors(where: str, declared: Field[Any]) -> None:
    """What can be told of a field before its annotations are resolved. Raises DeclarationError."""
    getter = declared.getter
    if not inspect.isfunction(getter):
        raise DeclarationError(where, "@field goes over a def; put it on top of the other decorators' result, a function")
    if inspect.iscoroutinefunction(getter) or inspect.isasyncgenfunction(getter):
        raise DeclarationError(
            where, "a getter cannot be async: its documents are loaded already; remove async, and read self.store"
        )
    if inspect.isgeneratorfunction(getter):
        raise DeclarationError(where, "a getter returns its value; return a list instead of yielding")
    if len(inspect.signature(getter).parameters) != 1:
        raise DeclarationError(
            where, "a getter takes self and nothing else; clients cannot pass arguments to a precomputed field"
        )
    if "return" not in getter.__annotations__:
        raise DeclarationError(where, "a @field needs a return annotation, e.g. -> str")
    setter = declared.write
    if setter is None:
        return
    if inspect.iscoroutinefunction(setter):
        raise DeclarationError(where, "a setter cannot be async: it changes what is loaded; remove async")
    parameters = list(inspect.signature(setter).parameters.values())
    if len(parameters) != 2 or any(parameter.kind is not parameter.POSITIONAL_OR_KEYWORD for parameter in parameters):
        raise DeclarationError(where, "a setter takes self and the value: def set_…(self, value: bool) -> None")
    if parameters[1].annotation is inspect.Parameter.empty:
        raise DeclarationError(where, f"the setter's parameter needs an annotation, e.g. {parameters[1].name}: str")


def setter_value(setter: Callable[[Any, Any], None]) -> str:
    """The name of a setter's value parameter."""
    return list(inspect.signature(setter).parameters)[1]
