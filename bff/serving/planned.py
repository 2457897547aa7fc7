"""Subscriptions that plans answer. Where a plan cannot, or fails, graphql-core is asked: that says, and logs, what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import cast

from bff.serving.operations import Operation
from bff.serving.planned_answer import plan_failed
from bff.serving.planning import SubscriptionPlan, Watching

__all__ = ["payloads", "watch"]


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
                if not isinstance(error, LookupError):  # by which a plan says that it cannot
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
