"""Subscriptions that plans answer. Where a plan cannot, or fails, graphql-core is asked: that says, and logs, what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import cast

from bff.errors import Forbidden
from bff.principal import ANONYMOUS, Principal
from bff.serving.operations import Operation, source_refused
from bff.serving.planned_answer import plan_failed
from bff.serving.planning import SubscriptionPlan, Watching

__all__ = ["payloads", "watch"]


async def watch(operation: Operation, wake: Callable[[], None], principal: Principal = ANONYMOUS) -> Watching | None:
    """Open a subscription of whoever asks as its plan does; None where it has none, or graphql-core is to open it."""
    plan = cast("SubscriptionPlan | None", operation.plan)
    try:
        variables = None if plan is None else plan.variables(operation.variables)
        return None if plan is None or variables is None else await plan.watch(variables, wake, principal)
    except Exception as error:
        plan_failed(error)
        return None


async def payloads(operation: Operation, principal: Principal = ANONYMOUS) -> AsyncGenerator[bytes, None]:
    """The payloads of a subscription as its plan says them, the newest each time one is asked for, until live updates end.

    Raises LookupError where graphql-core has to go on: with the present state, which was not among them. Raises RequestRefused
    where whoever asks may no longer see what was shown.
    """
    news = asyncio.Event()
    watching = await watch(operation, news.set, principal)
    if watching is None:
        raise LookupError("no plan opens it")
    try:
        while True:
            news.clear()
            try:
                payload = watching.take()
            except Forbidden as error:
                raise source_refused(operation, error) from error
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
