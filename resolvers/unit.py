"""The unit of work that a mutation is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from graphql import GraphQLResolveInfo

from bff.datastore.session import Done, TransactionSession, transaction
from bff.resolvers.context import Context
from bff.types import Value

__all__ = ["unit"]


async def unit(context: Context, info: GraphQLResolveInfo, work: Callable[[TransactionSession], Awaitable[Value]]) -> Done[Value]:
    """Do ``work`` in one serializable unit of work, as ``bff.datastore.session.transaction`` does, once for each idempotency key.

    It may return before the commit is flushed: what is answered waits for ``commit.flushed()``.

    What it returns is remembered under the key: let it be what the answer can be made from again. The operation's response
    tells of the commit. Raises IdempotencyKeyReused, and what ``transaction`` raises.
    """
    commits = context.commits
    if commits is None or commits.once is None:
        with context.tracing.span("bff.commit"):
            done = await transaction(context.datastore, work, early=True)
            context.tracing.committed(done.timepoint)
        context.tally.conflicts += done.attempts - 1
        if commits is not None:
            commits.made(done.timepoint, done.changes)
        return done
    with context.tracing.span("bff.commit"):
        done, affected = await commits.once.run(".".join(map(str, info.path.as_list())), work)
        context.tracing.committed(done.timepoint)
    context.tally.conflicts += done.attempts - 1
    commits.known(done.timepoint, affected)
    return done
