"""How a process that serves has Python look for garbage."""

from __future__ import annotations

import gc
from typing import Final

__all__ = ["NEW_OBJECTS", "collect_rarely"]

NEW_OBJECTS: Final = 5_000
"""After so many objects that are new and still there, Python looks through them: one to two milliseconds. By default it does so
after 700, and finds what is under way rather than garbage."""


def collect_rarely() -> None:
    """Leave what is loaded by now to itself, and look through what comes later less often than Python does by default.

    Modules and the schema are here to stay: a full collection, which everybody waits for, need not look at them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
