"""Who may call a mutation."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bff.errors import DeclarationError, Forbidden, Unauthenticated
from bff.principal import Principal

__all__ = ["Allow"]


@dataclass(frozen=True, slots=True)
class Allow:
    """What ``@mutation(allow=…)`` was given. ``of_document``: it looks at the document, too, and is asked once that is loaded."""

    ask: Callable[..., Any]
    of_document: bool

    @classmethod
    def of(cls, where: str, ask: Any, has_document: bool) -> Allow:
        """Raises DeclarationError where it takes anything else than the principal, and the document where there is one."""
        takes = "allow= takes a function: (principal) -> bool" + (", or (principal, document) -> bool" if has_document else "")
        if not callable(ask):
            raise DeclarationError(where, f"{takes}; not {ask!r}")
        try:
            parameters = list(inspect.signature(ask).parameters.values())
        except (TypeError, ValueError) as error:
            raise DeclarationError(where, f"{takes}; the parameters of {ask!r} cannot be told") from error
        by_name = [one for one in parameters if one.kind is one.KEYWORD_ONLY and one.default is one.empty]
        placed = [one for one in parameters if one.kind in {one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD}]
        needed = [one for one in placed if one.default is one.empty]
        if by_name or len(needed) not in {1, 2}:
            raise DeclarationError(where, takes)
        if len(needed) == 2 and not has_document:
            raise DeclarationError(
                where,
                f"{takes}: there is no document here. Let the method take a parameter principal: Principal, and raise Forbidden",
            )
        return cls(ask, len(needed) == 2)

    async def check(self, principal: Principal, *document: object) -> None:
        """Raises Forbidden, or Unauthenticated where nobody has signed in; and what the function raises, which refuses, too."""
        answer = self.ask(principal, *document)
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return
        if principal.is_signed_in:
            raise Forbidden("you may not do this")
        raise Unauthenticated("sign in first")
