"""The documents that a view is made of, declared."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, NamedTuple, TypeVar, cast, overload

from bff.errors import BFFError, DeclarationError
from bff.model.condition import Condition, UnknownField
from bff.model.declared import Declared, Kind, check_name, kind_of, unknown
from bff.model.find import Find
from bff.model.hints import Unresolved, local_names
from bff.model.probe import Probe

if TYPE_CHECKING:
    from bff.model.domain_model import DomainModel

__all__ = ["NotLoaded", "ReferenceDefinition", "Store", "StoreDefinition", "reference"]

T = TypeVar("T", bound="DomainModel")


class NotLoaded(BFFError):
    """A reference was read before its documents were: whoever loads the store tries again one level later."""

    code = "NOT_LOADED"

    def __init__(self, store: str, name: str) -> None:
        super().__init__(f"{store}.{name} is not loaded")
        self.name = name


class ReferenceDefinition(NamedTuple):
    """One reference of a Store.

    It is a root (its id is in the view's key), or ``of`` gives its Ref (or Refs, where ``many``), or ``where`` gives the
    condition or the Find of its query. ``level`` is 1 for roots, and one more than that of the deepest reference it depends on.
    """

    name: str
    model: type[DomainModel]
    of: Callable[[Any], Any] | None
    where: Callable[[Any], Any] | None
    many: bool
    level: int = 1

    @property
    def is_root(self) -> bool:
        return self.of is None and self.where is None


@dataclass(frozen=True)
class StoreDefinition:
    """What a Store class declares; references in their declared order, inherited ones first."""

    name: str
    references: tuple[ReferenceDefinition, ...]
    max_depth: int | None

    @cached_property
    def roots(self) -> tuple[ReferenceDefinition, ...]:
        return tuple(reference for reference in self.references if reference.is_root)

    @property
    def depth(self) -> int:
        """How many levels are read, one batch each."""
        return max(reference.level for reference in self.references)


class _Reference(Generic[T]):
    """What ``reference(…)`` leaves in the class: reading it on a store gives what was loaded."""

    def __init__(self, model: type[T], of: Any, where: Any, many: bool) -> None:
        self.model = model
        self.of = of
        self.where = where
        self.many = many
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, store: Store | None, owner: type[Store]) -> Any:
        return self if store is None else store._read(self.name)


@overload
def reference(model: type[T], *, of: Callable[[Any], object] | None = None, many: Literal[False] = False) -> T: ...
@overload
def reference(model: type[T], *, of: Callable[[Any], object], many: Literal[True]) -> list[T]: ...
@overload
def reference(model: type[T], *, where: Callable[[Any], object], many: Literal[False] = False) -> T: ...
@overload
def reference(model: type[T], *, where: Callable[[Any], object], many: Literal[True]) -> list[T]: ...
def reference(model: Any, *, of: Any = None, where: Any = None, many: bool = False) -> Any:
    """Declare documents that a Store reads.

    ::

        meeting = reference(Meeting)                                                             # the root
        location = reference(Location, of=lambda s: s.meeting.location)                          # the document of a Ref
        tickets = reference(Ticket, where=lambda s: Ticket.meeting == s.meeting.ref, many=True)  # a query
        users = reference(User, of=lambda s: [t.user for t in s.tickets], many=True)             # the documents of many Refs

    ``of`` gives a Ref, a document, or None; a list of them with ``many=True``, where absent documents are left out. ``where``
    gives a condition or a Find; without ``many`` its first result is meant. A single reference whose document does not exist is
    None, although it is typed as always there: check for None where that can be.
    """
    return _Reference(model, of, where, many)


class _Definition:
    """``MeetingStore.__store__``: made once, when the class is declared or first asked for."""

    def __get__(self, store: Store | None, owner: type[Store]) -> StoreDefinition:
        made = owner.__dict__.get("__bff_store__")
        if made is None:
            try:
                made = _define(owner)
            except Unresolved as error:
                raise unknown(owner.__name__, error) from None
        return cast("StoreDefinition", made)


class Store(Declared):
    """The declared set of documents that a view reads, loaded level by level, one batched read a level.

    See ``reference`` for what goes into one. Lambdas are looked at when the class is declared. ``max_depth`` allows another
    number of levels than 4.

    Raises DeclarationError where there is no root, where references depend on themselves or on what is not there, where a lambda
    gives neither a Ref nor a condition.
    """

    __bff_kind__: ClassVar[Kind] = "store"
    __bff_max_depth__: ClassVar[int | None] = None
    __store__: ClassVar[_Definition] = _Definition()

    def __init_subclass__(cls, *, max_depth: int | None = None, **unknown_keywords: Any) -> None:
        super().__init_subclass__()
        if unknown_keywords:
            raise DeclarationError(cls.__name__, f"a Store knows no {next(iter(unknown_keywords))}=; it knows max_depth=")
        if max_depth is not None:
            cls.__bff_max_depth__ = max_depth
        cls.__bff_scope__ = local_names(sys._getframe(1))
        _check(cls)
        # A lambda may name a class that is declared further down: it is looked at again on first use.
        with suppress(Unresolved):
            _define(cls)
        cls.__bff_declared__ = True

    def __init__(self, values: Mapping[str, Any], on_read: Callable[[str], None] | None = None) -> None:
        self._values = values
        self._on_read = on_read

    def _read(self, name: str) -> Any:
        if self._on_read is not None:
            self._on_read(name)
        try:
            return self._values[name]
        except KeyError:
            raise NotLoaded(type(self).__name__, name) from None

    def __getattr__(self, name: str) -> Any:
        known = ", ".join(_declared(type(self)))
        values = self.__dict__.get("_values")
        if isinstance(values, _Known) and not name.startswith("__"):
            raise DeclarationError(values.where, f"{type(self).__name__} has no reference {name!r}; it has {known}")
        raise AttributeError(f"{type(self).__name__} has no reference {name!r}; it has {known}")


def _declared(store: type[Store]) -> dict[str, _Reference[Any]]:
    found: dict[str, _Reference[Any]] = {}
    for cls in reversed(store.__mro__):
        for name, value in vars(cls).items():
            if isinstance(value, _Reference):
                found[name] = value
            else:
                found.pop(name, None)
    return found


def _check(store: type[Store]) -> None:
    """What can be told without looking into the lambdas."""
    references = _declared(store)
    for name in inspect.get_annotations(store):
        if not name.startswith("_") and name not in references:
            raise DeclarationError(f"{store.__name__}.{name}", f"an annotation alone reads nothing; write {name} = reference(…)")
    if not references:
        raise DeclarationError(store.__name__, "it reads nothing; give it a root, e.g. meeting = reference(Meeting)")
    for name, declared in references.items():
        where = f"{store.__name__}.{name}"
        check_name(where, name)
        if kind_of(declared.model) != "document":
            raise DeclarationError(where, f"reference({declared.model!r}): reference a DomainModel")
        if declared.of is not None and declared.where is not None:
            raise DeclarationError(where, "of= gives a Ref and where= a query; keep one of them")
        if declared.many and declared.of is None and declared.where is None:
            raise DeclarationError(where, "many=True needs of= or where=: a root is one document, whose id is in the view's key")
        for keyword, function in (("of", declared.of), ("where", declared.where)):
            if function is not None and not callable(function):
                raise DeclarationError(
                    where, f"{keyword}= takes a function of the store, e.g. {keyword}=lambda s: s.meeting.location"
                )
            if isinstance(function, FunctionType) and function.__code__.co_argcount != 1:
                raise DeclarationError(where, f"the function of {keyword}= takes one argument, the store: lambda s: …")
    if not any(declared.of is None and declared.where is None for declared in references.values()):
        raise DeclarationError(
            store.__name__, "no reference is a root, so that views have no key; add one, e.g. meeting = reference(Meeting)"
        )


def _define(store: type[Store]) -> StoreDefinition:
    declared = _declared(store)
    touched = {name: _touched(store, declared, name) for name in declared}
    levels: dict[str, int] = {}
    references = tuple(
        ReferenceDefinition(name, one.model, one.of, one.where, one.many, _level(store, name, touched, levels, ()))
        for name, one in declared.items()
    )
    definition = StoreDefinition(store.__name__, references, store.__bff_max_depth__)
    type.__setattr__(store, "__bff_store__", definition)
    return definition


def _touched(store: type[Store], declared: Mapping[str, _Reference[Any]], name: str) -> frozenset[str]:
    """The references that a reference's lambda reads."""
    function = declared[name].of or declared[name].where
    if function is None:
        return frozenset()
    where = f"{store.__name__}.{name}"
    read: set[str] = set()
    for truth in (True, False):
        probes = {other: Probe(truth, where, one.model, one.many) for other, one in declared.items()}
        try:
            given = function(store(_Known(where, probes), read.add))
        except (DeclarationError, Unresolved):
            raise
        except NameError as error:
            raise Unresolved(where, error.name or str(error)) from None
        except UnknownField as error:
            raise DeclarationError(where, str(error)) from None
        except AttributeError as error:
            if kind_of(error.obj) == "document":
                raise DeclarationError(where, str(error)) from None
            continue
        except Exception:
            continue  # It could not go on with a stand-in; what it had read until then counts.
        _check_given(where, declared[name], given)
    return frozenset(read)


class _Known(dict[str, Probe]):
    """The references of a store; any other is a mistake in a lambda."""

    def __init__(self, where: str, probes: Mapping[str, Probe]) -> None:
        super().__init__(probes)
        self.where = where


def _check_given(where: str, declared: _Reference[Any], given: object) -> None:
    if isinstance(given, Probe):
        return
    if declared.where is None:
        if isinstance(given, Condition | Find):
            raise DeclarationError(where, "of= gives Refs, not a query; write where=")
        if isinstance(given, list | tuple | set) != declared.many and given is not None:
            raise DeclarationError(
                where,
                "with many=True, of= gives a list of Refs" if declared.many else "of= gives a list; write many=True",
            )
        return
    models = given.models if isinstance(given, Condition) else {given.model} if isinstance(given, Find) else None
    if models is None:
        raise DeclarationError(
            where, f"where= gives a condition or a Find, not {given!r}; compare attributes of {declared.model.__name__}"
        )
    for model in models:
        if not (issubclass(model, declared.model) or issubclass(declared.model, model)):
            raise DeclarationError(
                where, f"it reads {declared.model.__name__}, and its where= asks {model.__name__}; name one model"
            )


def _level(
    store: type[Store], name: str, touched: Mapping[str, frozenset[str]], levels: dict[str, int], path: tuple[str, ...]
) -> int:
    if name in path:
        cycle = " → ".join([*path[path.index(name) :], name])
        raise DeclarationError(f"{store.__name__}.{name}", f"it depends on itself ({cycle}); let one of them read something else")
    if name not in levels:
        deeper = [_level(store, other, touched, levels, (*path, name)) for other in sorted(touched[name])]
        levels[name] = 1 + max(deeper, default=0)
    return levels[name]
