"""Tells those who wait how it came out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

__all__ = ["settle"]


def settle(waiting: Iterable[asyncio.Future[None]], error: BaseException | None) -> None:
    """That it is done or, with an error, that it failed. Whoever has stopped waiting is left alone."""
    for future in waiting:
        if not future.done():
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
