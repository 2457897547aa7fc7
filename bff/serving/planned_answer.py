"""What a plan answers; where it fails, it has no answer, and graphql-core says what is wrong."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from typing import Any

from bff.errors import BFFError
from bff.principal import Principal
from bff.serving.planning import Answer, QueryPlan

__all__ = ["plan_failed", "planned_answer"]

logger = logging.getLogger("bff.serving")


def planned_answer(plan: QueryPlan, given: Mapping[str, Any] | None, principal: Principal) -> Answer | Awaitable[Answer]:
    """The response to these variables, of whoever asks; None where graphql-core is to give it.

    Raises nothing, nor does what it returns.
    """
    try:
        variables = plan.variables(given)
        answer = None if variables is None else plan.answer(variables, principal)
    except Exception as error:
        plan_failed(error)
        return None
    return answer if answer is None or isinstance(answer, bytes) else _awaited(answer)


async def _awaited(answer: Awaitable[Answer]) -> Answer:
    try:
        return await answer
    except Exception as error:
        plan_failed(error)
        return None


def plan_failed(error: Exception) -> None:
    """A plan has raised something: where that is a fault of ours, it is logged."""
    # What is wrong with a request, or with what it asks for, graphql-core comes upon as well: it is answered and logged there.
    if not isinstance(error, BFFError):
        logger.error("a plan has failed: graphql-core executes the operation", exc_info=error)
