"""What serving asks of ``info.context``, where it answers to that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

__all__ = ["Execute", "OperationContext", "Response", "operation_context"]

Response: TypeAlias = dict[str, Any]
"""A GraphQL response: ``data``, ``errors``, ``extensions``; JSON but for the values that scalars serialise to."""

Execute: TypeAlias = Callable[[], Awaitable[Response]]


@runtime_checkable
class OperationContext(Protocol):
    """One operation's context. One that is not of this protocol is executed with as it is."""

    async def perform(self, execute: Execute) -> Response:
        """Around the execution of a query or a mutation: the response, with what was asked for in ``extensions``.

        What it raises is the answer to the whole request.
        """
        ...

    async def begin(self) -> None:
        """Before a subscription is opened. What it raises refuses it."""
        ...

    async def event(self, execute: Execute) -> Response:
        """Around the execution of one event of a subscription."""
        ...

    @property
    def version(self) -> str | None:
        """What the last event showed, as a client may send it back in ``since``; None where that cannot be told."""
        ...

    def seen(self) -> bool:
        """Whether the client has said that it holds what the last event showed, or something newer."""
        ...


def operation_context(context: Any) -> OperationContext | None:
    """The context as one of this protocol; None where it is not."""
    kind = type(context)
    # A class that has it all tells at once: ``isinstance`` takes longer than many an operation.
    told = all(hasattr(kind, name) for name in _ASKED)
    return context if told or isinstance(context, OperationContext) else None


_ASKED: Final = ("perform", "begin", "event", "version", "seen")
