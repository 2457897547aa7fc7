"""SECURITY.md promises nothing that no test shows."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT

TEXT = (ROOT / "SECURITY.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.partition("## What is promised")[2].partition("\n## ")[0].splitlines()
    if line.startswith("| ") and not line.startswith(("| promise", "| **"))
]
TARGETS = re.findall(r"`make (\w+)`", TEXT)


@pytest.mark.parametrize("row", ROWS, ids=[row[0][:60] for row in ROWS])
def test_each_promise_has_a_reference_and_tests_that_exist(row: list[str]) -> None:
    _, reference, tests = row
    assert re.search(r"(CWE|CVE)-\d+", reference)
    paths = re.findall(r"`([^`]+)`", tests)
    assert paths
    for path in paths:
        assert (ROOT / path).is_file(), path


def test_every_file_of_this_folder_is_told_of() -> None:
    for path in (ROOT / "tests" / "security").glob("test_*.py"):
        assert path.name in TEXT or path.name == "test_security_md.py", path.name


def test_what_is_to_be_made_can_be_made() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert TARGETS
    for target in TARGETS:
        assert f"\n{target}:" in makefile


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "security").glob("test_*.py")), ids=lambda path: path.name)
def test_each_test_of_this_folder_names_what_it_is_about(path: object) -> None:
    """By CWE, CVE or OWASP, in its name or in what its module says first."""
    text = path.read_text()  # type: ignore[attr-defined]
    if "test_security_md" in str(path):
        return
    said = text.split('"""')[1]
    for name in re.findall(r"def (test_\w+)", text):
        assert re.search(r"(CWE|CVE|OWASP)", said) or re.match(r"test_c[wv]e_\d", name), name
