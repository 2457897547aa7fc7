"""What serving asks of plans: operations that are answered from stored views, without a resolver for each field."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias, runtime_checkable

from graphql import DocumentNode, GraphQLFieldResolver, GraphQLResolveInfo, OperationDefinitionNode

from bff.principal import ANONYMOUS, Principal

__all__ = ["Answer", "MutationPlan", "Plan", "Plans", "QueryPlan", "Resolved", "SubscriptionPlan", "Watching", "Weighed"]

Answer: TypeAlias = bytes | None
"""A whole GraphQL response as JSON (``{"data":{…}}``), the same bytes that graphql-core's result would be written as. None where
only graphql-core can say what the answer is: something is missing, cannot be read, or is not as its type says."""


class Watching(Protocol):
    """One planned subscription that is open. It has no task: it calls its ``wake`` when there is something to take."""

    @property
    def ended(self) -> bool:
        """Whether live updates have ended, and nothing more will come."""
        ...

    def take(self) -> Answer:
        """The newest payload, if it was not taken before; None where there is nothing new.

        Raises LookupError where the state cannot be shown from what is stored alone: graphql-core has to say what it is. Raises
        Forbidden where what was shown may be seen no longer: that is its end.
        """
        ...

    def close(self) -> None:
        """Leave; awaits nothing. Called twice, it does nothing the second time."""
        ...


class QueryPlan(Protocol):
    """A query over stored views alone."""

    def variables(self, given: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """The coerced variables; None where they are wrong, or not of a kind that is coerced here: graphql-core says which."""
        ...

    def answer(self, variables: Mapping[str, Any], principal: Principal = ANONYMOUS, /) -> Answer | Awaitable[Answer]:
        """The response to whoever asks. At once where everything it shows is close at hand; otherwise it is read, and awaited."""
        ...


class SubscriptionPlan(Protocol):
    """A subscription to one view by its key, without links."""

    def variables(self, given: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """As a query's."""
        ...

    async def watch(
        self, variables: Mapping[str, Any], wake: Callable[[], None], principal: Principal = ANONYMOUS, /
    ) -> Watching | None:
        """Open it for whoever asks: its first payload can be taken then.

        None: graphql-core is to open it, and to say what is wrong.

        ``wake`` is called in the middle of things, when there is something to take and when live updates end: it may note that,
        no more.
        """
        ...


class Resolved(Protocol):
    """What was resolved already: a middleware of graphql-core, which makes the answer of it, errors and all."""

    def resolve(self, next_: GraphQLFieldResolver, source: Any, info: GraphQLResolveInfo, /, **arguments: Any) -> Any: ...


class MutationPlan(Protocol):
    """A mutation of bff's own that answers with one view, without links."""

    def variables(self, given: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """As a query's."""
        ...

    async def execute(self, context: Any, given: Mapping[str, Any] | None) -> bytes | Resolved | None:
        """Do it, with these variables, in the context of its operation: the ``data`` of the response, as JSON.

        Or it is done, and graphql-core is to say what the answer is, by ``Resolved``. None: nothing was done, and graphql-core is
        to do it. What goes wrong is part of the answer: it raises nothing.
        """
        ...


Plan: TypeAlias = QueryPlan | SubscriptionPlan | MutationPlan


@runtime_checkable
class Weighed(Protocol):
    """A plan that tells how much memory it takes; of one that does not it is taken to be as much as of its document."""

    @property
    def weight(self) -> int:
        """In characters: a parsed document takes some 80 bytes for each character of its text."""
        ...


class Plans(Protocol):
    """Makes plans. ``bff.app`` gives serving the resolvers' (``bff.resolvers.plan``), which knows the hub of this process."""

    def plan(self, document: DocumentNode, operation: OperationDefinitionNode) -> Plan | None:
        """The plan of a valid operation; None where it is graphql-core's. Made once for each document and operation."""
        ...
