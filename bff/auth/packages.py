"""The packages of the extras, asked for when something is made that needs them."""

from __future__ import annotations

from importlib.util import find_spec

from bff.errors import SettingsError

__all__ = ["need"]

_NAMES = {"jwt": "PyJWT", "cryptography": "cryptography", "httpx": "httpx"}


def need(what: str, extra: str, *modules: str) -> None:
    """Raises SettingsError, which names the extra to install, where one of the modules is missing."""
    missing = [_NAMES[module] for module in modules if find_spec(module) is None]
    if missing:
        raise SettingsError(f"{what} needs {' and '.join(missing)}: pip install 'bff[{extra}]'")
