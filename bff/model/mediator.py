"""Source → processor → sink: what reacts to documents, and mutations that are more than one domain method."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, NamedTuple, Self, TypeVar, cast, overload

from bff.errors import DeclarationError
from bff.model.condition import Condition
from bff.model.declared import Declared, Kind, kind_of
from bff.model.hints import local_names
from bff.model.mutation import MutationDefinition, declared_mutations
from bff.model.session import current_session
from bff.query import Filter

if TYPE_CHECKING:
    from bff.model.domain_model import DomainModel

__all__ = [
    "Mediator",
    "MediatorDefinition",
    "Sink",
    "SinkDefinition",
    "Source",
    "SourceDefinition",
    "TriggerDefinition",
    "sink",
    "source",
]

T = TypeVar("T", bound="DomainModel")
F = TypeVar("F", bound=Callable[..., Any])

TriggerKind = Literal["create", "update", "delete", "change"]

_MARK = "__bff_triggers__"


class TriggerDefinition(NamedTuple):
    """A method that is called when a document of a source was created, updated, deleted, or any of these (``change``)."""

    kind: TriggerKind
    attribute: str
    function: Callable[..., Any]

    async def call(self, mediator: Mediator, document: DomainModel) -> None:
        """Call it in the current session; what it emits is saved there. ``document`` is, once deleted, its last state."""
        # Calls run side by side: each has its own list of what it emitted.
        await copy.copy(mediator).run(self.attribute, document)


class SourceDefinition(NamedTuple):
    """Documents that a Mediator reacts to: of a model, as far as they satisfy ``where``; in a ``group``, under any parent."""

    name: str
    model: type[DomainModel]
    triggers: tuple[TriggerDefinition, ...]
    where: Filter | None = None
    group: bool = False


class SinkDefinition(NamedTuple):
    """Documents that a Mediator makes."""

    name: str
    model: type[DomainModel]


@dataclass(frozen=True)
class MediatorDefinition:
    """What a Mediator class declares."""

    name: str
    mediator: type[Mediator]
    description: str | None
    sources: tuple[SourceDefinition, ...]
    sinks: tuple[SinkDefinition, ...]
    declared_mutations: Callable[[], tuple[MutationDefinition, ...]] = field(repr=False)

    @cached_property
    def mutations(self) -> tuple[MutationDefinition, ...]:
        """Raises DeclarationError where an annotation is wrong or unknown."""
        return self.declared_mutations()


class Source(Generic[T]):
    """What ``source(Ticket)`` leaves in the class: its decorators make methods triggers."""

    def __init__(self, model: type[T], where: object = None, group: bool = False) -> None:
        self.model = model
        self.where = where
        self.group = group

    def on_create(self, method: F) -> F:
        """Call the method, ``(self, ticket)``, for every document that came to be, or began to match."""
        return self._mark("create", method)

    def on_update(self, method: F) -> F:
        """Call the method for every document that was there and changed."""
        return self._mark("update", method)

    def on_delete(self, method: F) -> F:
        """Call the method for every document that is gone, or ceased to match, with its last state (that still matched)."""
        return self._mark("delete", method)

    def on_change(self, method: F) -> F:
        """Call the method for every document that came to be, changed, or went."""
        return self._mark("change", method)

    def _mark(self, kind: TriggerKind, method: F) -> F:
        function: object = method
        if not inspect.isfunction(function):
            raise DeclarationError(repr(method), f"on_{kind} is for methods: put it on a def")
        setattr(method, _MARK, (*getattr(method, _MARK, ()), (self, kind)))
        return method


class BoundSink(Generic[T]):
    """A sink of one call: ``self.badges``."""

    def __init__(self, mediator: Mediator, declared: Sink[T]) -> None:
        self._mediator = mediator
        self._declared = declared

    def emit(self, *models: T) -> None:
        """Save these, in the unit of work of this call, once the method has returned. Raises TypeError for another model."""
        for model in models:
            if not isinstance(model, self._declared.model):
                raise TypeError(
                    f"{type(self._mediator).__name__}.{self._declared.name} takes {self._declared.model.__name__}, "
                    f"not {type(model).__name__}"
                )
        self._mediator.__dict__.setdefault("_emitted", []).extend(models)


class Sink(Generic[T]):
    """What ``sink(Badge)`` leaves in the class."""

    def __init__(self, model: type[T]) -> None:
        self.model = model
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, mediator: None, owner: type) -> Self: ...
    @overload
    def __get__(self, mediator: Mediator, owner: type) -> BoundSink[T]: ...
    def __get__(self, mediator: Mediator | None, owner: type) -> Self | BoundSink[T]:
        return self if mediator is None else BoundSink(mediator, self)


def source(model: type[T], *, where: Any = None, group: bool = False) -> Source[T]:
    """Documents that a Mediator reacts to: ``tickets = source(Ticket)``, then ``@tickets.on_create`` over methods.

    ``where`` is a condition, ``source(Ticket, where=Ticket.attendance == True)``: to the mediator, a document that begins to
    match is created, one that ceases to match is deleted, and one that does not match is not there. With ``group``, the documents
    of every collection of that name are meant, under any parent: ``users/u1/tickets/t1`` as well as ``tickets/t1``.
    """
    return Source(model, where, group)


def sink(model: type[T]) -> Sink[T]:
    """Documents that a Mediator makes: ``badges = sink(Badge)``, then ``self.badges.emit(Badge.new(…))`` in a method."""
    return Sink(model)


class Mediator(Declared):
    """Reacts to documents, and does what is more than one domain method.

    ::

        class MeetingRoom(Mediator):
            tickets = source(Ticket)
            badges = sink(Badge)

            @tickets.on_create
            async def print_badge(self, ticket: Ticket) -> None:
                self.badges.emit(Badge(id=ticket.id, ticket=ticket.ref))

            @mutation
            async def set_attendance(self, meeting: Meeting, user: User, attending: bool) -> MeetingSession: ...

    Each call is one serializable unit of work, done again on conflict, so let methods touch nothing but documents. A trigger may
    be called more than once for one change. Raises DeclarationError where the class is declared wrongly.
    """

    __bff_kind__: ClassVar[Kind] = "mediator"
    __mediator__: ClassVar[MediatorDefinition]

    def __init_subclass__(cls, **unknown_keywords: Any) -> None:
        super().__init_subclass__()
        if unknown_keywords:
            raise DeclarationError(cls.__name__, f"a Mediator knows no {next(iter(unknown_keywords))}=; remove it")
        if "__init__" in vars(cls) and len(inspect.signature(vars(cls)["__init__"]).parameters) > 1:
            raise DeclarationError(cls.__name__, "a Mediator is made without arguments; let __init__ take self only")
        cls.__bff_scope__ = local_names(sys._getframe(1))
        cls.__mediator__ = _define(cls)
        cls.__bff_declared__ = True

    async def run(self, attribute: str, /, *arguments: Any, **named: Any) -> Any:
        """Call one of its methods, sync or async, in the current session, and save there what it emitted.

        One call at a time: whoever has several of them has a copy for each.
        """
        self.__dict__["_emitted"] = emitted = cast("list[DomainModel]", [])
        result = getattr(self, attribute)(*arguments, **named)
        if inspect.isawaitable(result):
            result = await result
        if emitted:
            await current_session().save(*emitted)
        return result


def _define(mediator: type[Mediator]) -> MediatorDefinition:
    members = {name: value for cls in reversed(mediator.__mro__) for name, value in vars(cls).items()}
    sources: dict[str, Source[Any]] = {name: value for name, value in members.items() if isinstance(value, Source)}
    sinks: dict[str, Sink[Any]] = {name: value for name, value in members.items() if isinstance(value, Sink)}
    both: dict[str, Source[Any] | Sink[Any]] = {**sources, **sinks}
    for name, declared in both.items():
        if kind_of(declared.model) != "document":
            keyword = "source" if name in sources else "sink"
            raise DeclarationError(f"{mediator.__name__}.{name}", f"{keyword}({declared.model!r}): name a DomainModel")
    triggers: dict[str, list[TriggerDefinition]] = {name: [] for name in sources}
    for attribute, value in members.items():
        for origin, kind in getattr(value, _MARK, ()):
            where = f"{mediator.__name__}.{attribute}"
            _check_trigger(where, value)
            named = [name for name, declared in sources.items() if declared is origin]
            if not named:
                raise DeclarationError(where, "its source is not in this class; write tickets = source(Ticket) in it")
            triggers[named[0]].append(TriggerDefinition(kind, attribute, value))
    for name, listed in triggers.items():
        if not listed:
            raise DeclarationError(
                f"{mediator.__name__}.{name}", f"nothing reacts to it; write @{name}.on_change over a method, or remove it"
            )
    return MediatorDefinition(
        name=mediator.__name__,
        mediator=mediator,
        description=inspect.cleandoc(mediator.__doc__) if mediator.__doc__ else None,
        sources=tuple(
            SourceDefinition(
                name, one.model, tuple(triggers[name]), _checked_where(f"{mediator.__name__}.{name}", one), one.group
            )
            for name, one in sources.items()
        ),
        sinks=tuple(SinkDefinition(name, declared.model) for name, declared in sinks.items()),
        declared_mutations=lambda: declared_mutations(mediator),
    )


def _checked_where(where: str, declared: Source[Any]) -> Filter | None:
    given = declared.where
    if given is None:
        return None
    if not isinstance(given, Condition):
        raise DeclarationError(
            where,
            f"where= takes a condition over attributes of {declared.model.__name__}, e.g. "
            f"where={declared.model.__name__}.id == 'a', not {given!r}",
        )
    for model in given.models:
        if not (issubclass(declared.model, model) or issubclass(model, declared.model)):
            raise DeclarationError(
                where, f"it reacts to {declared.model.__name__}, and its where= asks {model.__name__}; name one model"
            )
    return given.filter


def _check_trigger(where: str, function: Callable[..., Any]) -> None:
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) != 2 or any(parameter.kind is not parameter.POSITIONAL_OR_KEYWORD for parameter in parameters):
        raise DeclarationError(where, "a trigger takes self and the document: def …(self, ticket: Ticket) -> None")
