"""The parameters of a mutation: each an argument that clients give, but the one that is told who calls."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from enum import Enum
from types import FunctionType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, Union, cast, get_args, get_origin

from pydantic.fields import FieldInfo

from bff.errors import DeclarationError
from bff.model.codec import Codec
from bff.model.declared import check_name, kind_of
from bff.naming import plural, to_camel
from bff.principal import Principal

if TYPE_CHECKING:
    from bff.model.domain_model import DomainModel

__all__ = ["MISSING", "Missing", "Parameter", "check_signature", "parameters_of", "principal_name", "without_none"]


class Missing(Enum):
    """The type of ``MISSING``: a parameter has no default."""

    MISSING = "MISSING"


MISSING: Final = Missing.MISSING


class Parameter(NamedTuple):
    """An argument of a mutation.

    ``model`` is set where it is a document: clients give its id (``meetingId``), the method gets it loaded (a list of them
    where ``many``). Everything else has a codec. ``nullable``: the annotation allows None.
    """

    name: str
    graphql_name: str
    annotation: Any
    codec: Codec | None
    default: Any
    model: type[DomainModel] | None
    many: bool
    nullable: bool
    description: str | None
    deprecated: str | None = None


def check_signature(function: FunctionType) -> None:
    """Everything of a signature that can be told while the class is still being declared. Raises DeclarationError."""
    where = function.__qualname__
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters:
        raise DeclarationError(where, "a @mutation is a method; take self")
    for parameter in parameters[1:]:
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
            raise DeclarationError(where, f"{stars}{parameter.name} cannot become GraphQL arguments; name each parameter")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise DeclarationError(where, f"{parameter.name} is passed by name; remove the / from the parameters")
        if parameter.annotation is parameter.empty:
            raise DeclarationError(where, f"the parameter {parameter.name!r} needs an annotation, e.g. {parameter.name}: str")


def parameters_of(where: str, function: FunctionType, hints: Mapping[str, Any], has_id: bool) -> tuple[Parameter, ...]:
    """What clients give, in the method's order. ``has_id``: they give the id of a document besides. Raises DeclarationError."""
    found: dict[str, Parameter] = {}
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if hints[parameter.name] is Principal:
            continue
        default = MISSING if parameter.default is parameter.empty else parameter.default
        made = _parameter(f"{where}({parameter.name})", parameter.name, hints[parameter.name], default)
        if has_id and made.graphql_name == "id":
            raise DeclarationError(where, "the argument id is the document's own; rename the parameter")
        if made.graphql_name in found:
            raise DeclarationError(where, f"two parameters become the argument {made.graphql_name!r}; rename one")
        found[made.graphql_name] = made
    return tuple(found.values())


def principal_name(where: str, function: FunctionType, hints: Mapping[str, Any]) -> str | None:
    """The name of the parameter that is told who calls, if any. Raises DeclarationError where there are two."""
    names = [name for name in list(inspect.signature(function).parameters)[1:] if hints[name] is Principal]
    if len(names) > 1:
        raise DeclarationError(where, f"{names[0]} and {names[1]} are both the Principal; keep one")
    return names[0] if names else None


def _parameter(where: str, name: str, annotation: Any, default: Any) -> Parameter:
    check_name(where, name)
    inner, nullable = without_none(annotation)
    many = get_origin(inner) is list
    element = get_args(inner)[0] if many and get_args(inner) else inner
    kind = kind_of(element)
    if element is Principal:
        raise DeclarationError(where, "who calls is one Principal, ANONYMOUS where nobody has signed in; annotate it so")
    if kind not in {None, "document"}:
        raise DeclarationError(where, f"clients cannot give a {element.__name__}; take its id as a str, or a DomainModel")
    if kind == "document":
        singular = name[:-1] if many and plural(name[:-1]) == name else name
        graphql_name, codec = to_camel(singular) + ("Ids" if many else "Id"), None
    else:
        graphql_name, codec = to_camel(name), Codec.of(annotation, where, view=True)
    if default not in (MISSING, None) and codec is not None:
        try:
            codec.encode(default)
        except ValueError as error:
            raise DeclarationError(where, f"the default is not of its type: {error}") from None
    if default is None and not nullable:
        raise DeclarationError(where, "the default is None, which the annotation does not allow; annotate … | None")
    return Parameter(
        name=name,
        graphql_name=graphql_name,
        annotation=annotation,
        codec=codec,
        default=default,
        model=cast("type[DomainModel]", element) if kind == "document" else None,
        many=many and kind == "document",
        nullable=nullable,
        description=_description(annotation),
        deprecated=_deprecated(annotation),
    )


def without_none(annotation: Any) -> tuple[Any, bool]:
    """``(X, True)`` of ``X | None``, marks taken off."""
    if get_origin(annotation) is Annotated:
        return without_none(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        some = tuple(member for member in get_args(annotation) if member is not type(None))
        if len(some) < len(get_args(annotation)):
            return (some[0] if len(some) == 1 else Union[some]), True  # noqa: UP007 (made of a tuple)
    return annotation, annotation in {Any, None, type(None)} if _hashable(annotation) else False


def _hashable(annotation: Any) -> bool:
    return getattr(annotation, "__hash__", None) is not None


def _description(annotation: Any) -> str | None:
    """What ``Annotated[str, Field(description="…")]`` says."""
    return next((mark.description for mark in _marks(annotation)), None)


def _deprecated(annotation: Any) -> str | None:
    """What ``Annotated[str, Field(deprecated="…")]`` says."""
    reasons = ("No longer supported" if mark.deprecated is True else mark.deprecation_message for mark in _marks(annotation))
    return next((reason for reason in reasons if reason), None)


def _marks(annotation: Any) -> list[FieldInfo]:
    marks = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return [mark for mark in marks if isinstance(mark, FieldInfo)]
