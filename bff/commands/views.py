"""The views that a command is about."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
import typer

from bff.app import App
from bff.errors import SettingsError
from bff.model.view_model import ViewModel
from bff.types import Value
from bff.values import dump_document

__all__ = ["AsJson", "Views", "chosen_views", "plain"]

Views = Annotated[list[str] | None, typer.Argument(metavar="[VIEW]...", help="Which views. Default: all.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def chosen_views(app: App, names: list[str] | None) -> list[type[ViewModel]]:
    """The views of these names, or all. Raises SettingsError where there is no such view."""
    known = app.catalog.views
    unknown = sorted(set(names or ()) - set(known))
    if unknown:
        raise SettingsError(f"no view is called {', '.join(unknown)}; there are {', '.join(known)}")
    return [view for name, view in known.items() if not names or name in names]


def plain(data: dict[str, Value]) -> Any:
    """As JSON can hold it; what it has no value for, e.g. a timestamp, is an object with one name that begins with ``$``."""
    return orjson.loads(dump_document(data)[1:])
