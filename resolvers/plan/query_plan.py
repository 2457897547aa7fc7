"""A query, compiled: from its variables to its response."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Final

from graphql import GraphQLError

from bff.errors import BFFError
from bff.principal import ANONYMOUS, Principal
from bff.resolvers.plan.payload import ViewPayload
from bff.resolvers.plan.planning import Unanswerable, Visibility
from bff.resolvers.plan.root_field import Root, ViewRoot
from bff.resolvers.plan.selection import Out
from bff.resolvers.plan.variable_values import VariableValues
from bff.resolvers.plan.walk import Walk

__all__ = ["QueryPlan", "ViewPlan", "expected"]

logger = logging.getLogger(__name__)

ROUNDS: Final = 50
"""So often an answer is written again with what was read meanwhile: views that change at every turn could go on for ever."""


class QueryPlan:
    """Root fields over stored views (``bff.serving.planning.QueryPlan``)."""

    __slots__ = ("_roots", "_values", "_visibility")

    def __init__(self, values: VariableValues, visibility: Visibility, roots: Mapping[str, Root]) -> None:
        self._values = values
        self._visibility = visibility
        leads = [b'%s"%s":' % (b"," if index else b'{"data":{', name.encode()) for index, name in enumerate(roots)]
        self._roots: Sequence[tuple[bytes, Root]] = list(zip(leads, roots.values(), strict=True))

    def variables(self, given: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """The coerced variables; None where graphql-core has to say what is wrong with them."""
        return self._values.coerce(given)

    def answer(self, variables: Mapping[str, Any], principal: Principal = ANONYMOUS) -> bytes | Awaitable[bytes | None] | None:
        """The response as JSON, or None where graphql-core has to say what it is."""
        walk = Walk(self._visibility.of(principal))
        try:
            text = self._write(variables, walk)
        except Exception as error:
            expected(error)
            return None
        return text if walk.complete else self._read(variables, walk)

    def _write(self, variables: Mapping[str, Any], walk: Walk) -> bytes:
        out: Out = []
        for lead, root in self._roots:
            out.append(lead)
            root.write(variables, walk, out)
        out.append(b"}}" if self._roots else b'{"data":{}}')
        return b"".join(out)

    async def _read(self, variables: Mapping[str, Any], walk: Walk) -> bytes | None:
        try:
            for _ in range(ROUNDS):
                await walk.read()
                text = self._write(variables, walk)
                if walk.complete:
                    return text
        except Exception as error:
            expected(error)
        return None


class ViewPlan(QueryPlan):
    """A query for one view without links: where its state is known, and was written before, that is found and no more."""

    __slots__ = ("_key", "_known", "_payload", "_root", "_variable")

    def __init__(self, values: VariableValues, visibility: Visibility, response: str, root: ViewRoot) -> None:
        super().__init__(values, visibility, {response: root})
        self._root = root
        self._payload = ViewPayload(response, root)
        self._key = self._payload.key
        # What is shown of it to all is the same through whatever anybody sees it.
        self._known = None if root.view.__view__.is_restricted else visibility.of(ANONYMOUS).hub.known
        self._variable = root.variable

    def answer(self, variables: Mapping[str, Any], principal: Principal = ANONYMOUS) -> bytes | Awaitable[bytes | None] | None:
        root = self._root
        key = root.key if self._variable is None else variables.get(self._variable)
        known = self._known or self._visibility.of(principal).hub.known
        # What is no key is never known.
        state = known(root.view, key) if key is not None else None
        if state is not None:
            text = state.texts.get(self._key)
            if text is not None:
                return text
        return super().answer(variables, principal)

    def _write(self, variables: Mapping[str, Any], walk: Walk) -> bytes:
        state = walk.asked(self._root.view, self._root.key_of(variables))
        return b"" if state is None else self._payload.text(state)


def expected(error: Exception) -> None:
    """graphql-core answers instead, and says what is wrong. What no answer should raise is logged: it is a fault of ours."""
    if not isinstance(error, Unanswerable | BFFError | GraphQLError):
        logger.error("a planned operation was left to graphql-core", exc_info=error)
