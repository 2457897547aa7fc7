"""Declarations are as well typed as plain Python: mypy and pyright agree with the assertions in this folder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MISTAKES = HERE / "mistakes.py"


def mypy(*files: Path) -> set[tuple[str, int]]:
    """The places of mypy's errors, in its strict mode, with pydantic's plugin."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--output", "json", *map(str, files)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    problems = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {(Path(problem["file"]).name, problem["line"]) for problem in problems if problem["severity"] == "error"}


def pyright(*files: Path) -> set[tuple[str, int]]:
    """The places of pyright's errors."""
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, *map(str, files)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    problems = [problem for problem in json.loads(done.stdout)["generalDiagnostics"] if problem["severity"] == "error"]
    return {(Path(problem["file"]).name, problem["range"]["start"]["line"] + 1) for problem in problems}


@pytest.mark.parametrize("check", [mypy, pyright])
def test_declarations_are_typed_and_mistakes_are_seen(check: object) -> None:
    assert callable(check)
    marked = {(MISTAKES.name, at) for at, line in enumerate(MISTAKES.read_text().splitlines(), 1) if line.endswith("# E")}
    assert check(HERE / "declarations.py", MISTAKES) == marked
