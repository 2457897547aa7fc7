"""What clients may do: methods that become GraphQL mutations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, overload

from bff.errors import DeclarationError, DomainError
from bff.model.allow import Allow
from bff.model.codec import Codec
from bff.model.declared import Declared, check_name, kind_of, named, unknown
from bff.model.error_definition import ErrorDefinition, check_errors, error_definition
from bff.model.hints import Unresolved, resolve, resolve_function
from bff.model.parameter import MISSING, Parameter, check_signature, parameters_of, principal_name, without_none
from bff.naming import pascal, to_camel, uncapitalise
from bff.principal import Principal

__all__ = ["MutationDefinition", "declared_mutations", "is_mutation", "mutation"]

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__bff_mutation__"


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
        check_signature(inner)
        return function

    return mark if method is None else mark(method)


def is_mutation(attribute: object) -> bool:
    """Whether ``@mutation`` stands over this attribute of a class."""
    return _mark_of(attribute) is not None


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
            mark = _mark_of(value)
            if mark is not None:
                yield declaring, attribute, value, mark


def _mark_of(attribute: object) -> _Mark | None:
    mark = getattr(getattr(attribute, "__func__", attribute), _MARK, None)
    return mark if isinstance(mark, _Mark) else None


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
        parameters=parameters_of(where, function, hints, of_document and on_instance),
        principal=principal_name(where, function, hints),
        allow=None if mark.allow is None else Allow.of(where, mark.allow, of_document and on_instance),
        returns=_checked_returns(where, returns),
        description=inspect.getdoc(function),
        deprecated=mark.deprecated,
        on_instance=on_instance,
        errors=tuple(error_definition(error, owner.__bff_scope__, find) for error in mark.errors),
    )


def _checked_returns(where: str, returns: Any) -> Any:
    if returns is None or returns is type(None):
        return None
    inner, _ = without_none(returns)
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
