"""Links of a selection, compiled: from stored keys to the views that they lead to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from bff.model.view_model import ViewModel
from bff.projection.stored_view import StoredView
from bff.resolvers.plan.planning import Unanswerable, Unplannable
from bff.resolvers.plan.selection import NULL, Out, ViewSelection, Write
from bff.resolvers.plan.walk import Walk

__all__ = ["Find", "Found", "keys_of", "kinds_of", "one_link", "several_links"]

Found: TypeAlias = tuple[ViewSelection, str]
"""What is selected of the view that something stored leads to, and its key."""

Find: TypeAlias = Callable[[Any], Found]


def keys_of(view: type[ViewModel], selections: Mapping[str, ViewSelection]) -> ViewSelection:
    """What is selected where what is stored is a key of this view. Raises Unplannable."""
    selection = selections.get(view.__view__.name)
    if selection is None:
        raise Unplannable("a link is of its view's type")
    return selection


def kinds_of(selections: Mapping[str, ViewSelection]) -> Find:
    """What is stored names the view beside the key: ``Circle:c1``."""

    def find(stored: Any) -> Found:
        name, _, key = str(stored).partition(":")
        selection = selections.get(name)
        if selection is None:
            raise Unanswerable(f"{name} is none of the views that this leads to")
        return selection, key

    return find


def one_link(to: ViewSelection | Find, required: bool) -> Write:
    """Shows the view that a stored key leads to, null where that is gone and may be."""

    def write(stored: Any, walk: Walk, out: Out) -> None:
        if stored is not None:
            if isinstance(stored, list):
                raise Unanswerable("several keys where one link is")
            selection, key = (to, str(stored)) if isinstance(to, ViewSelection) else to(stored)
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


def several_links(to: ViewSelection | Find, required: bool) -> Write:
    """Shows the views that stored keys lead to, without those that are gone."""
    write_each = _of_one_view(to) if isinstance(to, ViewSelection) else _of_several_views(to)

    def write(stored: Any, walk: Walk, out: Out) -> None:
        if stored is None:
            if required:
                raise Unanswerable("null for a list of links")
            out.append(NULL)
            return
        if not isinstance(stored, list):
            raise Unanswerable("one key where a list of links is")
        write_each([one for one in stored if one is not None] if None in stored else stored, walk, out)

    return write


def _of_one_view(selection: ViewSelection) -> Callable[[Sequence[Any], Walk, Out], None]:
    view = selection.view

    def write(stored: Sequence[Any], walk: Walk, out: Out) -> None:
        keys = list(map(str, stored))
        known = walk.known(view, keys)
        if known is not None:
            selection.write_all(known, walk, out)
        else:
            _write_one_by_one([(selection, key) for key in keys], walk, out)

    return write


def _of_several_views(find: Find) -> Callable[[Sequence[Any], Walk, Out], None]:
    def write(stored: Sequence[Any], walk: Walk, out: Out) -> None:
        found = list(map(find, stored))
        keys: dict[type[ViewModel], list[str]] = {}
        for selection, key in found:
            keys.setdefault(selection.view, []).append(key)
        states: dict[type[ViewModel], Iterator[StoredView]] = {}
        for view, of_view in keys.items():
            known = walk.known(view, of_view)
            if known is None:
                _write_one_by_one(found, walk, out)
                return
            states[view] = iter(known)
        lead = b"["
        for selection, _ in found:
            out.append(lead)
            selection.write(next(states[selection.view]), walk, out)
            lead = b","
        out.append(b"[]" if lead == b"[" else b"]")

    return write


def _write_one_by_one(found: Sequence[Found], walk: Walk, out: Out) -> None:
    """Where some are to be read, and are written then, or may be gone."""
    lead = b"["
    for selection, key in found:
        state = walk.view(selection.view, key)
        # One that is gone is left out: the linking view is about to be built without it.
        if state is not None and state.document is not None:
            out.append(lead)
            selection.write(state, walk, out)
            lead = b","
    out.append(b"[]" if lead == b"[" else b"]")
