"""PROTOCOL.md and its tests belong together."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from bff.serving.limits import Limits

ROOT = Path(__file__).parents[2]


def rules() -> list[int]:
    return [int(number) for number in re.findall(r"^\*\*R(\d+)\*\* ", (ROOT / "PROTOCOL.md").read_text(), re.MULTILINE)]


def rules_with_tests() -> set[int]:
    numbers = set()
    for path in Path(__file__).parent.glob("test_protocol_*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and (found := re.match(r"test_r(\d+)_", node.name)):
                numbers.add(int(found[1]))
    return numbers


def test_rules_are_numbered_without_gaps() -> None:
    assert rules() == list(range(1, len(rules()) + 1))


def test_every_rule_has_its_test_and_every_test_its_rule() -> None:
    assert rules_with_tests() == set(rules())


def test_the_document_states_the_limits_as_they_are() -> None:
    units = {"1 MiB": 2**20, "16 MiB": 2**24, "128 KiB": 2**17, "256 MiB": 2**28}
    stated = re.findall(r"\[`(\w+)`, ([^\]]+)\]", (ROOT / "PROTOCOL.md").read_text())
    assert stated
    for name, default in stated:
        assert getattr(Limits(), name) == units.get(default) or float(default.replace(",", "")) == getattr(Limits(), name)
