"""Makes models of stored documents without asking pydantic, where it has nothing to add to what the codecs have checked."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Union, get_args, get_origin
from uuid import UUID

from bff.model.ref import Ref
from bff.model.shape import CodecError
from bff.types import GeoPoint, Value

if TYPE_CHECKING:
    from bff.document import Document
    from bff.model.document_definition import DocumentDefinition
    from bff.model.domain_model import DomainModel

__all__ = ["PlainReader", "plain_reader"]

PlainReader: TypeAlias = "Callable[[Document, Mapping[str, Value]], DomainModel | None]"
"""Makes the model of a document that exists; None where that is not as it should be, which pydantic can say better."""

TYPES = frozenset({str, int, float, bool, bytes, datetime, date, time, timedelta, UUID, GeoPoint, type(None)})
"""Whose codecs decode to nothing that pydantic would refuse or change. Not Decimal, which can be NaN."""

_NONE = object()
_set = object.__setattr__


def plain_reader(definition: DocumentDefinition) -> PlainReader | None:
    """The reader of a class whose fields are single values without constraints, validators or settings of their own.

    What it makes is what pydantic makes of the decoded values. None for any other class.
    """
    model = definition.model
    if not _is_plain(model):
        return None
    fields: list[tuple[str, str, frozenset[type], Callable[[Any], Any], Any]] = []
    for name, declared in definition.fields.items():
        info = model.model_fields[name]
        default = _NONE if info.is_required() else info.default
        if info.metadata or not _is_plain_type(info.annotation) or info.default_factory is not None:
            return None
        if default is not _NONE and type(default) not in TYPES and not isinstance(default, Enum):
            return None
        shape = declared.codec.shape
        fields.append((name, declared.document_name, shape.as_is, shape.decoder, default))

    def read(document: Document, data: Mapping[str, Value]) -> DomainModel | None:
        values: dict[str, Any] = {"id": document.path.rpartition("/")[2]}
        defaults = None
        try:
            for name, document_name, as_is, decode, default in fields:
                stored: Any = data.get(document_name, _NONE)
                kind = type(stored)
                if kind in as_is and (kind is not str or stored.isascii()):
                    values[name] = stored
                elif stored is not _NONE:
                    values[name] = decode(stored)
                elif default is not _NONE:
                    values[name] = default
                    defaults = defaults or set()
                    defaults.add(name)
                else:
                    return None
        except CodecError:
            return None
        made = model.__new__(model)
        _set(made, "__dict__", values)
        _set(made, "__pydantic_extra__", None)
        _set(made, "__pydantic_fields_set__", values.keys() - defaults if defaults else set(values))
        # The private attributes of a DomainModel that was loaded.
        private = {"_stored": data, "_update_time": document.update_time, "_create_only": False, "_within": None}
        _set(made, "__pydantic_private__", private)
        return made

    return read


def _is_plain(model: type[DomainModel]) -> bool:
    base: type[DomainModel] = next(cls for cls in model.__mro__ if "__bff_kind__" in vars(cls))
    decorators = model.__pydantic_decorators__
    return (
        model.__bff_plain__
        and model.model_config == base.model_config
        and model.__private_attributes__.keys() == base.__private_attributes__.keys()
        and not (decorators.validators or decorators.field_validators)
        and not (decorators.root_validators or decorators.model_validators)
    )


def _is_plain_type(annotation: Any) -> bool:
    """Whether the annotation is one of plain types, without anything annotated in it."""
    if annotation in TYPES or (isinstance(annotation, type) and issubclass(annotation, Enum)):
        return True
    origin = get_origin(annotation)
    if origin is Union or origin is types.UnionType:
        return all(map(_is_plain_type, get_args(annotation)))
    return origin is Ref or origin is Literal
