"""What clients may do: methods that become GraphQL mutations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from types import FunctionType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TypeVar, Union, cast, get_args, get_origin, overload

from pydantic.fields import FieldInfo

from bff.errors import DeclarationError, DomainError
from bff.model.allow import Allow
from bff.model.codec import Codec
from bff.model.declared import Declared, check_name, kind_of, named, unknown
from bff.model.error_definition import ErrorDefinition, check_errors, error_definition
from bff.model.hints import Unresolved, resolve, resolve_function
from bff.naming import pascal, plural, to_camel, uncapitalise
from bff.principal import Principal

if TYPE_CHECKING:
    from bff.model.domain_model import DomainModel

__all__ = ["MISSING", "Missing", "MutationDefinition", "Parameter", "declared_mutations", "mutation"]

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__bff_mutation__"


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


class MutationDefinition(NamedTuple):
    """A GraphQL mutation: ``meetingClose`` of a document, ``setAttendance`` of a Mediator.

    ``returns`` is the resolved annotation (a ViewModel class, a type) or None. ``on_instance`` is False for a classmethod.
    ``errors`` are those that are part of its result; every other one is an error of the response. ``allow`` says who may call it,
    ``principal`` is the name of the parameter that is told who does.
    """

    name: str
    owner: type[Declared]
    attribute: str
    function: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    returns: Any
    description: str | None
    deprecated: str | None
    on_instance: bool
    errors: tuple[ErrorDefinition, ...] = ()
    allow: Allow | None = None
    principal: str | None = None

    async def call(self, target: object, arguments: Mapping[str, Any]) -> Any:
        """Call it on a document or a Mediator, or on a class where it is a classmethod; subclasses may override it."""
        run = getattr(target, "run", None) if kind_of(type(target)) == "mediator" else None
        result = run(self.attribute, **arguments) if run is not None else getattr(target, self.attribute)(**arguments)
        return await result if inspect.isawaitable(result) else result


class _Mark(NamedTuple):
    returns: Any
    name: str | None
    deprecated: str | None
    errors: Sequence[type[DomainError]]
    allow: Callable[..., Any] | None


@overload
def mutation(method: F, /) -> F: ...
@overload
def mutation(
    *,
    returns: Any = MISSING,
    name: str | None = None,
    deprecated: str | None = None,
    errors: Sequence[type[DomainError]] = (),
    allow: Callable[..., Any] | None = None,
) -> Callable[[F], F]: ...
def mutation(
    method: Any = None,
    /,
    *,
    returns: Any = MISSING,
    name: str | None = None,
    deprecated: str | None = None,
    errors: Sequence[type[DomainError]] = (),
    allow: Callable[..., Any] | None = None,
) -> Any:
    """Let clients call a method of a DomainModel or of a Mediator, sync or async, in one serializable unit of work.

    On ``Meeting``, ``def close(self) -> None`` becomes ``meetingClose(id: ID!)``; on a Mediator,
    ``def set_attendance(self, meeting: Meeting, attending: bool) -> MeetingSession`` becomes
    ``setAttendance(meetingId: ID!, attending: Boolean!): MeetingSession!``, and ``meeting`` arrives loaded. A ``@classmethod``
    of a DomainModel needs no document: ``userRegister(…)``.

    ``returns`` is the ViewModel to answer with (or its name), read right after the commit; ``name`` another GraphQL name.
    The docstring becomes the description.

    ``errors`` are DomainErrors that a client is to handle: they become part of the result,
    ``union MeetingCloseResult = MeetingSession | MeetingNotOpen``, with their code, their message, and the attributes that their
    class annotates. Nothing is written when one is raised, listed or not.

    ``allow`` says who may: ``(principal) -> bool``, asked before anything is read, or ``(principal, document) -> bool``. Whoever
    may not is told FORBIDDEN, or UNAUTHENTICATED where nobody has signed in. A parameter annotated ``Principal`` is no argument:
    it is who calls.

    Raises DeclarationError where a parameter has no annotation, is one of ``*args``, or has a type that clients cannot give, and
    where ``errors`` lists something else than DomainErrors, or one of them twice.
    """

    def mark(function: Any) -> Any:
        inner = getattr(function, "__func__", function)
        if not isinstance(inner, FunctionType):
            raise DeclarationError(repr(function), "@mutation is for methods: put it on a def")
        setattr(inner, _MARK, _Mark(returns, name, deprecated, check_errors(inner.__qualname__, errors), allow))
        _check_signature(inner)
        return function

    return mark if method is None else mark(method)


def declared_mutations(owner: type[Declared], names: Mapping[str, type] | None = None) -> tuple[MutationDefinition, ...]:
    """The mutations of a DomainModel or a Mediator class, inherited ones first.

    Forward references are looked up in ``names`` before other modules' classes. Raises DeclarationError.
    """
    found: dict[str, MutationDefinition] = {}
    for declaring, attribute, function, mark in _marked(owner):
        definition = _define(declaring, attribute, function, mark, names)
        base = found.get(attribute)
        if base is None:
            twin = next((other for other in found.values() if other.name == definition.name), None)
            if twin is not None:
                raise DeclarationError(
                    f"{owner.__name__}.{attribute}", f"{twin.attribute} is called {twin.name!r} too; give one a name="
                )
            found[attribute] = definition
        elif _taken(base) != _taken(definition):
            raise DeclarationError(
                f"{declaring.__name__}.{attribute}",
                f"it overrides the mutation {base.name} of {base.owner.__name__} with other parameters; "
                "keep them, or call the method otherwise",
            )
        elif definition.errors and {e.error for e in definition.errors} != {e.error for e in base.errors}:
            raise DeclarationError(
                f"{declaring.__name__}.{attribute}",
                f"it overrides the mutation {base.name} of {base.owner.__name__} with other errors; "
                f"list them there, or leave errors= out",
            )
        elif definition.allow not in (None, base.allow):
            raise DeclarationError(
                f"{declaring.__name__}.{attribute}",
                f"it overrides the mutation {base.name} of {base.owner.__name__} with another allow=; "
                "let the one there look at the document, or leave allow= out",
            )
    return tuple(found.values())


def _taken(definition: MutationDefinition) -> list[tuple[str | None, Any]]:
    return [*((p.name, p.annotation) for p in definition.parameters), (definition.principal, Principal)]


def _marked(owner: type[Declared]) -> Iterator[tuple[type[Declared], str, Any, _Mark]]:
    for declaring in reversed(owner.__mro__):
        for attribute, value in vars(declaring).items():
            mark = getattr(getattr(value, "__func__", value), _MARK, None)
            if isinstance(mark, _Mark):
                yield declaring, attribute, value, mark


def _define(
    owner: type[Declared], attribute: str, value: Any, mark: _Mark, names: Mapping[str, type] | None
) -> MutationDefinition:
    where = f"{owner.__name__}.{attribute}"
    function = getattr(value, "__func__", value)
    on_instance = not isinstance(value, classmethod)
    if isinstance(value, staticmethod):
        raise DeclarationError(where, "a @mutation is a method or a classmethod; take self, or cls and @classmethod")
    of_document = kind_of(owner) == "document"
    if not of_document and not on_instance:
        raise DeclarationError(where, "a @mutation of a Mediator is a method; take self")
    find = named(owner, names)
    try:
        hints = resolve_function(function, owner.__bff_scope__, find)
        returns = hints.get("return") if mark.returns is MISSING else mark.returns
        returns = resolve(returns, function.__module__, owner.__bff_scope__, find)
    except Unresolved as error:
        raise unknown(where, error) from None
    own_name = uncapitalise(owner.__name__) + pascal(attribute) if of_document else to_camel(attribute)
    return MutationDefinition(
        name=check_name(where, mark.name or own_name),
        owner=owner,
        attribute=attribute,
        function=function,
        parameters=_parameters(where, function, hints, of_document and on_instance),
        principal=_principal(where, function, hints),
        allow=None if mark.allow is None else Allow.of(where, mark.allow, of_document and on_instance),
        returns=_checked_returns(where, returns),
        description=inspect.getdoc(function),
        deprecated=mark.deprecated,
        on_instance=on_instance,
        errors=tuple(error_definition(error, owner.__bff_scope__, find) for error in mark.errors),
    )


def _check_signature(function: FunctionType) -> None:
    """Everything of a signature that can be told while the class is still being declared."""
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


def _parameters(where: str, function: FunctionType, hints: Mapping[str, Any], has_id: bool) -> tuple[Parameter, ...]:
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


def _principal(where: str, function: FunctionType, hints: Mapping[str, Any]) -> str | None:
    """The name of the parameter that is told who calls."""
    names = [name for name in list(inspect.signature(function).parameters)[1:] if hints[name] is Principal]
    if len(names) > 1:
        raise DeclarationError(where, f"{names[0]} and {names[1]} are both the Principal; keep one")
    return names[0] if names else None


def _parameter(where: str, name: str, annotation: Any, default: Any) -> Parameter:
    check_name(where, name)
    inner, nullable = _without_none(annotation)
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


def _checked_returns(where: str, returns: Any) -> Any:
    if returns is None or returns is type(None):
        return None
    inner, _ = _without_none(returns)
    element = get_args(inner)[0] if get_origin(inner) is list and get_args(inner) else inner
    if kind_of(element) == "document":
        raise DeclarationError(
            where, f'clients never see a {element.__name__} as it is; return a ViewModel, e.g. returns="…View"'
        )
    if kind_of(element) != "view" and Codec.of(element, where, view=True).shape.views:
        raise DeclarationError(where, "it answers with views of one kind; return one of them, or a pydantic model")
    if kind_of(element) != "view":
        Codec.of(returns, where, view=True)
    return returns


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """``(X, True)`` of ``X | None``, marks taken off."""
    if get_origin(annotation) is Annotated:
        return _without_none(get_args(annotation)[0])
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
