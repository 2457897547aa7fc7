"""What waits for news of one subscription."""

from __future__ import annotations

import asyncio

__all__ = ["Waiter"]


class Waiter:
    """One reader, woken when there may be something for it, and at the end."""

    def __init__(self) -> None:
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False

    def wake(self) -> None:
        """Look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """End the iteration."""
        self._closed = True
        self.wake()

    async def _wait(self) -> None:
        """Until it is woken. Raises StopAsyncIteration once it is closed."""
        if self._closed:
            raise StopAsyncIteration
        # One reader, one future: half of what an Event costs, with thousands of them woken by one change.
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter
