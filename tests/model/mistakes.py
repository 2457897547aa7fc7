"""Declarations that are refused, each with what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from bff.errors import DeclarationError

__all__ = ["Declare", "Mistakes", "refused"]

Declare: TypeAlias = Callable[[], Any]


class Mistakes:
    """A table of functions that declare something wrongly: put it over each, with what has to be part of the message."""

    def __init__(self) -> None:
        self._all: list[tuple[Declare, str]] = []

    def __call__(self, message: str) -> Callable[[Declare], Declare]:
        def add(declare: Declare) -> Declare:
            self._all.append((declare, message))
            return declare

        return add

    @property
    def each(self) -> pytest.MarkDecorator:
        """Runs a test of ``declare`` and ``message`` once for each of them; to be put over it below the last one."""
        return pytest.mark.parametrize(("declare", "message"), self._all, ids=lambda value: getattr(value, "__name__", ""))


def refused(declare: Declare, message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        declare()
    assert message in str(caught.value)
