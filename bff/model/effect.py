"""What happens outside of the datastore because of a commit: mail, payments, calls of other services."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar, overload

from bff.errors import DeclarationError
from bff.model.codec import Codec
from bff.model.hints import Unresolved, resolve_function
from bff.model.session import NoSession
from bff.types import Value

__all__ = ["Effect", "Sends", "effect", "use_outbox"]

P = TypeVar("P")

SECONDS = 30.0


class Sends(Protocol):
    """What takes entries for the outbox: a unit of work."""

    def send(self, effect: str, payload: Value, order: str | None) -> None:
        """Have it part of the commit."""
        ...


_current: ContextVar[Sends] = ContextVar("bff.outbox")


@contextmanager
def use_outbox(outbox: Sends) -> Iterator[None]:
    """Have effects that are sent in this task, and in those that it starts, go there."""
    token = _current.set(outbox)
    try:
        yield
    finally:
        _current.reset(token)


class Effect(Generic[P]):
    """What ``@effect`` makes of a function: ``send`` has it called after the commit of the present unit of work."""

    def __init__(self, function: Callable[[P, str], Awaitable[None]], name: str, seconds: float) -> None:
        self.function = function
        self.name = name
        self.seconds = seconds
        self.__doc__ = function.__doc__

    def send(self, payload: P, *, order: str | None = None) -> None:
        """Have the function called with this payload once the present unit of work is committed; not at all where it is not.

        What is sent with the same ``order`` is called in the order of the commits, one after another. Raises NoSession outside
        of a unit of work, and CodecError where the payload is not what the function takes.
        """
        outbox = _current.get(None)
        if outbox is None:
            raise NoSession(
                f"{self.name}.send: there is no unit of work here: send in a @mutation, a Mediator, a Form, or in bff.transaction"
            )
        outbox.send(self.name, self.codec.encode(payload), order)

    async def deliver(self, stored: Value, key: str) -> None:
        """Call the function with what was stored. Raises whatever it raises, TimeoutError, and CodecError."""
        await self.function(self.codec.decode(stored), key)

    @cached_property
    def codec(self) -> Codec:
        """How payloads are stored. Raises DeclarationError where the annotation is wrong or unknown."""
        first = next(iter(inspect.signature(self.function).parameters))
        try:
            return Codec.of(resolve_function(self.function, {})[first], f"{self.name}({first})")
        except Unresolved as error:
            raise DeclarationError(self.name, f"{error}; import it at the top of its module") from None

    def __repr__(self) -> str:
        return f"<effect {self.name}>"


@overload
def effect(function: Callable[[P, str], Awaitable[None]], /) -> Effect[P]: ...
@overload
def effect(
    *, name: str | None = None, seconds: float = SECONDS
) -> Callable[[Callable[[P, str], Awaitable[None]]], Effect[P]]: ...
def effect(function: Any = None, /, *, name: str | None = None, seconds: float = SECONDS) -> Any:
    """Declare what happens outside of the datastore because of a commit.

    ::

        @effect
        async def mail(message: Mail, key: str) -> None:
            await provider.post("/send", json=…, headers={"Idempotency-Key": key})

        app = bff.App(…, effects=[mail])

        mail.send(Mail(to=…), order=user.id)        # in a mutation, a mediator or a form: part of its commit

    The function is called at least once for each ``send`` that was committed, with a key that is the same each time: give it to
    the receiver, and it happens once. It is called again, with backoff, when it raises, or takes more than ``seconds``. The
    payload is any type that documents can hold. Entries are stored under the ``name``, the function's own by default: do not
    change it while there are any. Raises DeclarationError.
    """

    def declare(declared: Callable[[P, str], Awaitable[None]]) -> Effect[P]:
        where = getattr(declared, "__qualname__", repr(declared))
        if not inspect.iscoroutinefunction(declared):
            raise DeclarationError(where, "@effect is for async functions: async def mail(message: Mail, key: str) -> None")
        parameters = list(inspect.signature(declared).parameters.values())
        if len(parameters) != 2 or any(one.kind is not one.POSITIONAL_OR_KEYWORD for one in parameters):
            raise DeclarationError(where, "an effect takes the payload and the key: async def mail(message: Mail, key: str)")
        if parameters[0].annotation is inspect.Parameter.empty:
            raise DeclarationError(where, f"the payload needs an annotation, e.g. {parameters[0].name}: str")
        if seconds <= 0:
            raise DeclarationError(where, f"seconds={seconds} allows nothing; give a number above 0")
        return Effect(declared, name or declared.__name__, seconds)

    return declare if function is None else declare(function)
