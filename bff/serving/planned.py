"""Operations that plans answer. Where a plan cannot, or fails, graphql-core is asked: that says, and logs, what is wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, TypeAlias, cast

from bff.errors import BFFError
from bff.serving.operations import Operation
from bff.serving.planning import Answer, QueryPlan, SubscriptionPlan, Watching

__all__ = ["answer", "payloads", "plan_failed", "watch"]

logger = logging.getLogger("bff.serving")

Variables: TypeAlias = Mapping[str, Any]


async def answer(operation: Operation) -> Answer:
    """The response of a query, as its plan says it; None where it has none, or graphql-core has to say what the response is."""
    plan = cast("QueryPlan | None", operation.plan)
    try:
        variables = None if plan is None else plan.variables(operation.variables)
        if plan is None or variables is None:
            return None
        said = plan.answer(variables)
        return said if isinstance(said, bytes | None) else await said
    except Exception as error:
        plan_failed(error)
        return None


async def watch(operation: Operation, wake: Callable[[], None]) -> Watching | None:
    """Open a subscription as its plan does; None where it has none, or graphql-core is to open it."""
    plan = cast("SubscriptionPlan | None", operation.plan)
    try:
        variables = None if plan is None else plan.variables(operation.variables)
        return None if plan is None or variables is None else await plan.watch(variables, wake)
    except Exception as error:
        plan_failed(error)
        return None


async def payloads(operation: Operation) -> AsyncGenerator[bytes, None]:
    """The payloads of a subscription as its plan says them, the newest each time one is asked for, until live updates end.

    Raises LookupError where graphql-core has to go on: with the present state, which was not among them.
    """
    news = asyncio.Event()
    watching = await watch(operation, news.set)
    if watching is None:
        raise LookupError("no plan opens it")
    try:
        while True:
            news.clear()
            try:
                payload = watching.take()
            except Exception as error:
                plan_failed(error)
                raise LookupError("the plan cannot say what is to be sent") from error
            if payload is not None:
                yield payload
                del payload  # the next one may be long in coming: nobody is to hold this one for all that time
            elif watching.ended:
                return
            else:
                await news.wait()
    finally:
        watching.close()


def plan_failed(error: Exception) -> None:
    """A plan has raised something: where it is a bug, say so."""
    if not isinstance(error, BFFError | LookupError):
        logger.error("a plan has failed: graphql-core executes the operation", exc_info=error)
