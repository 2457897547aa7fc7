"""The app that a command is about."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from bff.app import App
from bff.errors import SettingsError

__all__ = ["AppPath", "load_app"]

AppPath = Annotated[str, typer.Argument(metavar="MODULE:APP", help="Where the bff.App stands, e.g. poll:app.")]


def load_app(path: str) -> App:
    """The ``bff.App`` at ``module:attribute``; the working directory is searched first. Raises SettingsError."""
    module_name, _, attribute = path.partition(":")
    if not module_name or not attribute:
        raise SettingsError(f"{path!r}: name the app as module:attribute, e.g. poll:app")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # A module that the app's own module misses is its own error, with its own traceback.
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise SettingsError(f"there is no module {module_name!r} here or on the Python path") from None
    if not hasattr(module, attribute):
        raise SettingsError(f"{path}: there is no {attribute!r} in {module_name}")
    app = getattr(module, attribute)
    if not isinstance(app, App):
        raise SettingsError(f"{path}: {attribute!r} in {module_name} is {type(app).__name__}, not a bff.App")
    return app
