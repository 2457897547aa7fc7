"""The JavaScript and TypeScript of the documentation stands in files that are run: by tests/clients, or as the example's page."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, blocks
from tests.docs.test_pages import PAGES

LANGUAGES = {"js", "jsx", "ts", "tsx"}
SUFFIXES = {".js", ".mjs", ".ts", ".tsx"}
NOT_OURS = {"node_modules", "dist"}
LEFT_OUT = "// …"

SNIPPETS = [block for page in PAGES for block in blocks(page) if block.language in LANGUAGES]


def files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name not in NOT_OURS:
            yield from files(path)
        elif path.suffix in SUFFIXES:
            yield path


def code(text: str) -> str:
    """The lines, however they are indented. Each begins and ends with a line break, so that only whole lines are found."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "\n".join(["", *lines, ""])


@cache
def run() -> list[str]:
    return [code(path.read_text()) for folder in (ROOT / "tests", ROOT / "examples") for path in files(folder)]


def occurs(parts: list[str], text: str) -> bool:
    """Whether the parts stand in the text one after another."""
    start = 0
    for part in parts:
        found = text.find(part, start)
        if found < 0:
            return False
        # The line break at the end may be the one that the next part begins with.
        start = found + len(part) - 1
    return True


@pytest.mark.parametrize("block", SNIPPETS, ids=str)
def test_what_is_shown_is_what_is_run(block: Block) -> None:
    parts = [code(part) for part in block.text.split(LEFT_OUT)]
    assert any(occurs(parts, text) for text in run()), f"{block}: no file under tests or examples has these lines"


def test_there_are_snippets() -> None:
    assert len(SNIPPETS) > 10
    assert not any(occurs(["\nthis line is in no file\n"], text) for text in run())
