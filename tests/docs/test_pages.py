"""Every code block of the documentation is run, in the order of its page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Reader, blocks

PAGES = [ROOT / "README.md", ROOT / "PROTOCOL.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Reader(tmp_path, monkeypatch).read(page)


def test_the_app_in_the_readme_is_short() -> None:
    """40 lines of code: what a reader takes in at a glance."""
    app = next(block for block in blocks(ROOT / "README.md") if block.language == "python")
    assert len([line for line in app.text.splitlines() if line.strip() and not line.startswith("#")]) <= 40


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
