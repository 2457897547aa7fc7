"""What the stores of views begin with, and which collections they read."""

from __future__ import annotations

from collections.abc import Iterable

from bff.model.store import ReferenceDefinition
from bff.model.view_model import ViewModel

__all__ = ["collections_read", "single_root"]


def single_root(view: type[ViewModel]) -> ReferenceDefinition | None:
    """The root of a view that has one: each document of its model is a view. Views of several roots are built when asked for."""
    roots = view.__view__.store.__store__.roots
    return roots[0] if len(roots) == 1 else None


def collections_read(views: Iterable[type[ViewModel]]) -> set[str]:
    return {one.model.__document__.collection for view in views for one in view.__view__.store.__store__.references}
