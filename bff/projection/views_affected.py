"""Which views a commit concerns: what ``bff.projection.effects`` finds."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["MAX_VIEWS", "ViewsAffected"]

MAX_VIEWS = 100
"""How many are told of: for a commit, and for an operation of several."""


class ViewsAffected(NamedTuple):
    """The name and the key of each view, in order; ``more`` says that there are, or may be, others."""

    views: tuple[tuple[str, str], ...] = ()
    more: bool = False
