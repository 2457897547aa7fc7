"""Documents and bodies that would cost far more than they weigh. Run, it says what refusing each one costs.

``python -m tests.security.bombs`` is part of ``make chaos``: it fails where one takes 50 ms of the CPU or more.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from typing import Any, Final

from bff.settings import Settings
from bff.testing.harness import AppHarness
from tests.security.city import city

__all__ = ["BATCHES", "BOMBS", "BUDGET", "DEAR"]

BUDGET: Final = 0.05
"""Seconds of the CPU."""


def many(text: str, times: int) -> str:
    return " ".join(text.format(n=n, m=n + 1) for n in range(times))


def nested(open: str, close: str, levels: int, inside: str = "__typename") -> str:
    return open * levels + inside + close * levels


_NOTE: Final = 'noteView(id: "n0") {{ text }}'

BOMBS: Final[dict[str, tuple[str, str]]] = {
    "depth": ("{ noteView(id: 1) " + nested("{ a ", "}", 20, "{ b }") + " }", "query_depth"),
    "aliases": ("{" + many("a{n}: " + _NOTE, 101) + "}", "query_aliases"),
    "aliases in batches of one name": ("{" + many("a{n}: __typename", 101) + "}", "query_aliases"),
    "fragments doubled": (
        "{ ...F0 }"
        + many("fragment F{n} on Query {{ a: noteView(id: 1) {{ id }} ...F{m} ...F{m} }}", 20)
        + "fragment F20 on Query { __typename }",
        "query_",
    ),
    "fragments of fields doubled": (
        "{ signView(id: 1) { ...F0 } }"
        + many("fragment F{n} on SignView {{ note {{ ...G{n} }} }} fragment G{n} on NoteView {{ text ...G{m} ...G{m} }}", 15)
        + "fragment G15 on NoteView { text }",
        "query_",
    ),
    "fragments side by side": ("{" + many("...F{n}", 200) + "}" + many("fragment F{n} on Query {{ __typename }}", 200), "query_"),
    "directives": ("{ __typename " + "@skip(if: false) " * 600 + "}", "query_"),
    "unknown directives": ("{ __typename " + "@a" * 800 + "}", "query_directives"),
    "one field again and again": ("{" + many("__typename", 1_500) + "}", "query_pairs"),
    "introspection again and again": ("{ __schema {" + many("queryType {{ name }}", 480) + "} }", "query_pairs"),
    "introspection as a blind": ("{ __schema { x } __schema: noteView(id: 1) {" + many("text", 1_500) + "} }", "query_pairs"),
    "different arguments": ("{" + many("noteView(id: {n}) {{ text }}", 110) + "}", "query_pairs"),
    "tokens": ("{" + "a " * 30_000 + "}", "query_tokens"),
    "a long text": ("{ __typename } #" + "x" * 70_000, "query_characters"),
    "a list of lists": ("{ noteView(id: " + nested("[", "]", 900, "") + ") { text } }", ""),
    "deeper than the parser's stack": ("{ noteView(id: 1) " + nested("{ a ", "}", 400, "{ b }") + " }", ""),
    "many operations": (many("query Q{n} {{ __typename }}", 600), "query_tokens"),
    "many variables": ("query (" + many("$a{n}: Int", 700) + ") { __typename }", "query_tokens"),
}
"""What they are: the text, and how the name of the limit begins that refuses it; empty where that is the parser."""

DEAR: Final = "{" + many("a{n}: noteViews(first: 500) {{ edges {{ node {{ id text rank tags }} }} }}", 90) + "}"
"""Neither long nor deep, and dear all the same: ``query_cost`` refuses it."""

BATCHES: Final[dict[str, Any]] = {
    "many": [{"query": "{ __typename }"}] * 10_000,
    "many bombs": [{"query": BOMBS["aliases"][0]}] * 11,
    "of batches": [[{"query": "{ __typename }"}]] * 11,
    "empty": [],
}


async def _measured(run: AppHarness, body: bytes, code: int | None) -> float:
    """The median of seven. Seconds of this thread: what is in the way of others."""
    taken = []
    for _ in range(7):
        began = time.thread_time()
        response = await run.http.post("/graphql", content=body, headers={"Content-Type": "application/json"})
        taken.append(time.thread_time() - began)
        assert "errors" in response.text, response.text
        assert code is None or response.status_code == code, response.text
    return statistics.median(taken)


async def _main() -> int:
    slow = 0
    settings = Settings(datastore_url="sqlite://", broadcast_url="memory://", batch_operations=10)
    async with AppHarness(city(), settings=settings) as run:
        cases: list[tuple[str, bytes, int | None]] = [
            (name, json.dumps({"query": text}).encode(), None) for name, (text, _) in BOMBS.items()
        ]
        cases.append(("cost", json.dumps({"query": DEAR}).encode(), None))
        cases += [(f"a batch: {name}", json.dumps(batch).encode(), 400) for name, batch in BATCHES.items()]
        for open, close in (("[", "]"), ('{"a":', "}")):
            deep = nested(open, close, 100_000, "1")
            cases.append((f"100,000 {open}", b'{"query": "{ __typename }", "variables": ' + deep.encode() + b"}", 400))
        for name, body, code in cases:
            seconds = await _measured(run, body, code)
            slow += seconds >= BUDGET
            print(f"{seconds * 1000:8.2f} ms  {name}{'   TOO SLOW' if seconds >= BUDGET else ''}")  # noqa: T201
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
