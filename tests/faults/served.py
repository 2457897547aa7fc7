"""A client of a served app, and commands that are run to their end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from bff.datastore.connect import open_datastore
from bff.datastore.port import Target
from bff.testing.graphql_ws import GraphQLWSClient
from bff.testing.harness import Watch
from tests.faults.killed_run import COLLECTIONS, written_down
from tests.faults.oracle import Stored
from tests.serve import ROOT, environment

__all__ = ["Finished", "NetworkClient", "bff", "converged"]


class NetworkClient:
    """What AppHarness does, to a server on a port."""

    def __init__(self, url: str, timeout: float = 30.0) -> None:
        self.url = url
        self.timeout = timeout

    async def execute(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=self.timeout) as http:
            response = await http.post(f"{self.url}/graphql", json={"query": query, "variables": dict(variables or {})})
        answer: dict[str, Any] = response.json()
        return answer

    async def ready(self) -> tuple[int, dict[str, Any]]:
        """The status and the body of /readyz."""
        async with httpx.AsyncClient(timeout=self.timeout) as http:
            response = await http.get(f"{self.url}/readyz")
        return response.status_code, response.json()

    async def until_ready(self, wanted: Callable[[int, dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask /readyz until it answers as wanted: there is nothing else to wait on. Raises TimeoutError."""
        body: dict[str, Any] = {}
        try:
            async with asyncio.timeout(self.timeout):
                while True:
                    status, body = await self.ready()
                    if wanted(status, body):
                        return body
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise TimeoutError(f"/readyz stayed {body}") from None

    @asynccontextmanager
    async def watch(self, query: str, variables: Mapping[str, Any] | None = None) -> AsyncIterator[Watch]:
        url = self.url.replace("http:", "ws:")
        async with GraphQLWSClient.to_url(f"{url}/graphql", timeout=self.timeout) as client:
            await client.init()
            yield Watch(client, await client.subscribe(query, variables))


async def converged(url: str, check: Callable[[Stored], None], seconds: float = 40.0) -> None:
    """Wait, listening to every change, until the check holds. Raises the AssertionError that it ends with."""
    last: AssertionError | None = None
    try:
        async with (
            asyncio.timeout(seconds),
            open_datastore(url) as datastore,
            datastore.listen([Target(collection) for collection in COLLECTIONS]) as listening,
        ):
            async for changes in listening:
                if changes.resume is None:
                    continue
                try:
                    check(Stored.of_bytes(await written_down(datastore)))
                except AssertionError as wrong:
                    last = wrong
                else:
                    return
    except TimeoutError:
        raise last or AssertionError("the listener said nothing") from None


@dataclass(frozen=True)
class Finished:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


def bff(
    *arguments: str,
    datastore_url: str = "sqlite://",
    settings: Mapping[str, str] | None = None,
    launcher: str | None = None,
    seconds: float = 30,
) -> Finished:
    """Run the ``bff`` command to its end; ``launcher`` is Python that becomes it. Raises subprocess.TimeoutExpired."""
    command = ["-c", "from bff.cli import main; main()", *arguments]
    done = subprocess.run(
        [sys.executable, *(command if launcher is None else ["-c", launcher, *command])],
        cwd=ROOT,
        env=environment(datastore_url, settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    return Finished(done.returncode, done.stdout, done.stderr)
