"""How the load tells a contender to make changes: a port on which each line numbers a view whose next state is wanted."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

__all__ = ["PORT", "VIEWS", "control"]

PORT = "BENCH_CONTROL_PORT"
"""The environment variable that names the port."""

VIEWS = "BENCH_VIEWS"
"""The one that says how many views there are."""


@asynccontextmanager
async def control(change: Callable[[Sequence[int]], Awaitable[None]]) -> AsyncIterator[None]:
    """Call ``change`` with the views that were asked for, one call after the other, until the block ends.

    What it raises ends the process: a contender that cannot make changes has failed.
    """

    async def obey(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            rest = b""
            while received := await reader.read(65536):
                *lines, rest = (rest + received).split(b"\n")
                if lines:
                    await change([int(line) for line in lines])
        except ConnectionError:
            pass
        except Exception:
            import traceback

            traceback.print_exc()
            os._exit(1)
        finally:
            writer.close()

    server = await asyncio.start_server(obey, "127.0.0.1", int(os.environ[PORT]))
    try:
        yield
    finally:
        server.close()
