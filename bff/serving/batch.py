"""Several operations in one request, as Apollo's BatchHttpLink sends them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import groupby
from typing import Any, TypeAlias

from graphql import OperationType
from orjson import Fragment

from bff.serving.context import Response
from bff.serving.document_size import TooLarge, too_large
from bff.serving.errors import RequestRefused
from bff.serving.operations import Operation
from bff.serving.parameters import Unacceptable
from bff.together import together

__all__ = ["Result", "answer_batch"]

Prepare: TypeAlias = Callable[[Any], Operation]
Result: TypeAlias = Response | Fragment
"""What comes of one operation: a response, or one that is JSON already."""

Execute: TypeAlias = Callable[[Operation], Awaitable[Result]]


async def answer_batch(
    parameters: list[Any],
    most: int,
    prepare: Prepare,
    execute: Execute,
    on_refused: Callable[[RequestRefused], None] = lambda refused: None,
) -> list[Result]:
    """The results, in the order of the operations; what is wrong with one of them is its own result.

    Mutations are executed one after the other, and nothing beside them: what stands before one has been read before it, what
    stands after one sees what it wrote. Queries between them are executed together.
    All of them together cost no more than one may: those that come after it is spent are refused.
    ``prepare`` and ``execute`` raise RequestRefused, of which ``on_refused`` is told. Raises Unacceptable for an empty list, or
    one of more than ``most``.
    """
    if not 0 < len(parameters) <= most:
        raise Unacceptable.because(f"A batch is a list of 1 to {most} operations.")
    prepared: list[Operation | RequestRefused] = []
    spent: float = 0
    for one in parameters:
        try:
            operation = prepare(one)
            spent += operation.cost
            operation.parsed.afford(spent)
            prepared.append(operation)
        except TooLarge as error:
            prepared.append(too_large(error))
        except RequestRefused as refused:
            prepared.append(refused)
        await asyncio.sleep(0)  # parsing and validating takes a while: let others have their turn
    results: list[Result] = []
    for alone, run in groupby(prepared, _is_mutation):
        if alone:
            results += [await _result(one, execute, on_refused) for one in run]
        else:
            results += await together(*(_result(one, execute, on_refused) for one in run))
    return results


def _is_mutation(one: Operation | RequestRefused) -> bool:
    return isinstance(one, Operation) and one.kind is OperationType.MUTATION


async def _result(one: Operation | RequestRefused, execute: Execute, on_refused: Callable[[RequestRefused], None]) -> Result:
    try:
        if isinstance(one, RequestRefused):
            raise one
        return await execute(one)
    except RequestRefused as refused:
        on_refused(refused)
        return {"errors": refused.errors}
