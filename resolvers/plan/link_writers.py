"""Links of a selection, compiled: from stored keys to the views that they lead to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from bff.model.view_model import ViewModel
from bff.resolvers.plan.planning import Unanswerable, Unplannable
from bff.resolvers.plan.selection import NULL, Out, ViewSelection, Write
from bff.resolvers.plan.walk import Walk

__all__ = ["Find", "keys_of", "kinds_of", "one_link", "several_links"]

Find: TypeAlias = Callable[[Any], tuple[ViewSelection, str]]
"""What is selected of the view that something stored leads to, and its key."""


def keys_of(view: type[ViewModel], selections: Mapping[str, ViewSelection]) -> Find:
    """What is stored is a key of this view. Raises Unplannable."""
    selection = selections.get(view.__view__.name)
    if selection is None:
        raise Unplannable("a link is of its view's type")
    return lambda stored: (selection, str(stored))


def kinds_of(selections: Mapping[str, ViewSelection]) -> Find:
    """What is stored names the view beside the key: ``Circle:c1``."""

    def find(stored: Any) -> tuple[ViewSelection, str]:
        name, _, key = str(stored).partition(":")
        selection = selections.get(name)
        if selection is None:
            raise Unanswerable(f"{name} is none of the views that this leads to")
        return selection, key

    return find


def one_link(find: Find, required: bool) -> Write:
    """Shows the view that a stored key leads to, null where that is gone and may be."""

    def write(stored: Any, walk: Walk, out: Out) -> None:
        if stored is not None:
            if isinstance(stored, list):
                raise Unanswerable("several keys where one link is")
            selection, key = find(stored)
            state = walk.view(selection.view, key)
            if state is None:
                return  # to be read, and written then
            if state.document is not None:
                selection.write(state, walk, out)
                return
        if required:
            raise Unanswerable("a link that must be there leads nowhere")
        out.append(NULL)

    return write


def several_links(find: Find, required: bool) -> Write:
    """Shows the views that stored keys lead to, without those that are gone."""

    def write(stored: Any, walk: Walk, out: Out) -> None:
        if stored is None:
            if required:
                raise Unanswerable("null for a list of links")
            out.append(NULL)
            return
        if not isinstance(stored, list):
            raise Unanswerable("one key where a list of links is")
        lead = b"["
        for one in stored:
            if one is None:
                continue
            selection, key = find(one)
            state = walk.view(selection.view, key)
            # One that is gone is left out: the linking view is about to be built without it.
            if state is not None and state.document is not None:
                out.append(lead)
                selection.write(state, walk, out)
                lead = b","
        out.append(b"[]" if lead == b"[" else b"]")

    return write
