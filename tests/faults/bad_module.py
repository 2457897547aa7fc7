"""A module that raises when it is imported."""

from __future__ import annotations

raise LookupError("the moon is missing")
