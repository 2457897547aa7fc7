"""The harbour with versions: every event of a topic is a pair, of what the state is and of its version."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from graphql import GraphQLSchema

from tests.serving.conftest import Harbour

__all__ = ["VersionedContext", "VersionedHarbour"]


class VersionedContext:
    """An OperationContext, as a resolvers' context is one."""

    def __init__(self, connection: Any, operation: Any) -> None:
        self.connection = connection
        self.asked = operation.asked
        self.version: str | None = None
        self.renewals = 0

    async def perform(self, execute: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        return await execute()

    async def begin(self) -> None:
        pass

    async def event(self, execute: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        response = await execute()
        if self.asked.given and self.version is not None:
            return {**response, "extensions": {"bff": {"version": self.version}}}
        return response

    def renew(self) -> None:
        self.renewals += 1

    def seen(self) -> bool:
        return self.version is not None and self.asked.since is not None and int(self.version) <= int(self.asked.since)


class VersionedHarbour(Harbour):
    """``tell`` a topic what it is now."""

    def context(self, connection: Any, operation: Any) -> Any:
        return VersionedContext(connection, operation)

    def tell(self, topic: str, version: int | None, value: Any) -> None:
        self.topics[topic].put_nowait((None if version is None else str(version), value))

    async def versioned(self, context: VersionedContext, topic: str) -> AsyncIterator[Any]:
        source = self.source(topic)
        try:
            async for version, value in source:
                context.version = version
                yield value
        finally:
            await source.aclose()  # type: ignore[attr-defined]

    def _schema(self) -> GraphQLSchema:
        schema = super()._schema()
        assert schema.subscription_type is not None
        for name in ("ticks", "states", "ship", "anythings"):
            schema.subscription_type.fields[name].subscribe = lambda _, info, topic: self.versioned(info.context, topic)
        return schema
