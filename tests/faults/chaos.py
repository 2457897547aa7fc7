"""How long the fault campaigns are: short in every run of the tests, long where ``BFF_CHAOS=1`` (``make chaos``)."""

from __future__ import annotations

import os
from typing import TypeVar

__all__ = ["CHAOS", "SEED", "scaled"]

CHAOS = os.environ.get("BFF_CHAOS") == "1"
SEED = int(os.environ.get("BFF_CHAOS_SEED", "5"))
"""Of the random moments and targets: a campaign that failed says which, and is run again with it."""

T = TypeVar("T")


def scaled(short: T, long: T) -> T:
    """A count, or a duration, of this run."""
    return long if CHAOS else short
