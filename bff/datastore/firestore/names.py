"""What this adapter calls what it keeps in the database for itself. Imports no driver: whoever only needs a name loads none."""

from __future__ import annotations

from typing import Final

__all__ = ["HEARTBEATS"]

HEARTBEATS: Final = "_bff_heartbeats"
"""The collection of the listeners' heartbeat documents."""
