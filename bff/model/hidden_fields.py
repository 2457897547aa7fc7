"""The fields of a view's document that clients cannot ask for: who may see the view, and which of its fields."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bff.errors import DeclarationError
from bff.model.field import Field, FieldDefinition
from bff.model.readers import READERS, READERS_CODEC, Readers

if TYPE_CHECKING:
    from bff.model.view_model import ViewModel

__all__ = ["VIEW_READERS", "check_field_readers", "check_readers", "hidden_fields", "hidden_name"]

VIEW_READERS = "readers"
"""The method of a view that returns who may see it."""


def hidden_fields(view: type[ViewModel], fields: Mapping[str, FieldDefinition]) -> dict[str, FieldDefinition]:
    """By the names under which they are evaluated; a view that everybody may see has none."""
    hidden: dict[str, FieldDefinition] = {}
    if _declares_readers(view):
        hidden[VIEW_READERS] = _hidden(VIEW_READERS, READERS, getattr(view, VIEW_READERS))
    for name, field in fields.items():
        if field.readers is not None:
            readers = vars(_owner(view, name))[name].readers
            hidden[field.readers] = _hidden(field.readers, f"{READERS}_{field.document_name}", _getter(readers))
    return hidden


def hidden_name(field: str) -> str:
    """The name under which it is evaluated who may see a field."""
    return f"{VIEW_READERS} of {field}"


def check_readers(view: type[ViewModel]) -> None:
    """Raises DeclarationError where ``readers`` is no plain method."""
    where = f"{view.__name__}.{VIEW_READERS}"
    readers = inspect.getattr_static(view, VIEW_READERS)
    if isinstance(readers, Field) or not inspect.isfunction(readers):
        raise DeclarationError(where, "who may see the view is told by a method; write def readers(self) -> Readers")
    _check_function(where, readers)


def check_field_readers(where: str, declared: Field[Any]) -> None:
    """Raises DeclarationError where ``@field(readers=…)`` cannot tell who may see the field."""
    readers = declared.readers
    if readers is None or isinstance(readers, Readers):
        pass
    elif inspect.isfunction(readers):
        _check_function(where, readers)
    else:
        raise DeclarationError(where, f"readers={readers!r}: give Readers, e.g. Readers.signed_in(), or a function of the view")
    if readers is not None and declared.filterable:
        raise DeclarationError(
            where, "a list that is filtered or ordered by it would tell it to all; remove filterable=True, or readers="
        )


def _check_function(where: str, readers: Callable[..., Any]) -> None:
    if inspect.iscoroutinefunction(readers) or inspect.isgeneratorfunction(readers):
        raise DeclarationError(where, "readers are computed from what is loaded already; let a plain function return Readers")
    if len(inspect.signature(readers).parameters) != 1:
        raise DeclarationError(where, "readers are stored with the view, whoever asks for it: let the function take self only")


def _declares_readers(view: type[ViewModel]) -> bool:
    return "__bff_kind__" not in vars(_owner(view, VIEW_READERS))


def _owner(view: type, attribute: str) -> type:
    return next(cls for cls in view.__mro__ if attribute in vars(cls))


def _getter(readers: Readers | Callable[[Any], Readers]) -> Callable[[Any], Readers]:
    if not isinstance(readers, Readers):
        return readers
    # A tuple, which the definition's hash sees: other readers are another definition.
    tokens = tuple(sorted(readers.tokens))
    return lambda view: Readers(tokens)


def _hidden(name: str, document_name: str, getter: Callable[[Any], Any]) -> FieldDefinition:
    return FieldDefinition(
        name=name,
        document_name=document_name,
        annotation=Readers,
        codec=READERS_CODEC,
        getter=getter,
        setter=None,
        setter_annotation=None,
        setter_codec=None,
        filterable=False,
        deprecated=None,
        description=None,
        link=None,
    )
