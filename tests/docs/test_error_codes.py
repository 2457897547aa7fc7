"""The table of docs/errors.md is the whole truth about codes, in both directions."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from typing import get_args

import pytest
from graphql import GraphQLError

import bff.errors
from bff.errors import BFFError
from bff.serving.codes import RequestCode
from bff.serving.errors import format_error
from tests.architecture.test_floors import MODULES
from tests.docs.pages import ROOT

CODE = re.compile(r"[A-Z]+(?:_[A-Z]+)*")


def explained() -> list[str]:
    table = (ROOT / "docs" / "errors.md").read_text().partition("## The codes")[2].partition("\n## ")[0]
    return [
        code for line in table.splitlines() if line.startswith("|") for code in re.findall(r"`([A-Z_]+)`", line.split("|")[1])
    ]


def errors(root: type[BFFError] = BFFError) -> Iterator[type[BFFError]]:
    """The errors that bff itself declares, wherever it does."""
    yield root
    for child in root.__subclasses__():
        if child.__module__.startswith("bff."):
            yield from errors(child)


def sent() -> set[str]:
    """What clients get of each of them: some are nothing that a client is told of."""
    codes = set(get_args(RequestCode))
    for kind in errors():
        arguments = inspect.signature(kind.__init__).parameters.values()
        needed = [one for one in arguments if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD]
        error = kind(*["x"] * (len(needed) - 1))
        codes.add(format_error(GraphQLError("x", original_error=error))["extensions"]["code"])
    return codes - {bff.errors.DomainError.code}


def test_every_code_is_explained_once_and_every_explained_code_is_sent() -> None:
    assert sorted(explained()) == sorted(sent())


def test_the_base_of_your_own_errors_is_explained() -> None:
    assert f"`{bff.errors.DomainError.code}`" in (ROOT / "docs" / "errors.md").read_text()


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith(("bff.serving", "bff.resolvers", "bff.schema"))])
def test_no_code_is_written_past_the_type(module: str) -> None:
    """``{"code": …}``: what is built by hand is not seen by the type checker."""
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "code":
                    for inner in ast.walk(value):
                        if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and CODE.fullmatch(inner.value):
                            assert inner.value in sent(), f"{module}:{inner.lineno}"


def test_no_code_is_listed_that_nothing_sends() -> None:
    written = {
        node.value
        for name, file in MODULES.items()
        if name.startswith("bff.serving.") and name != "bff.serving.codes"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set(get_args(RequestCode)) <= written


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """Each class on a line of its own, under its parent, with the code that is its own."""
    drawn: list[tuple[int, str, str | None]] = []
    for line in (bff.errors.__doc__ or "").splitlines():
        found = re.match(r"^ {4}((?:│   |    )*)(?:[├└]── )?([A-Z]\w+)(?:\s+([A-Z_]{5,}))?", line)
        if found:
            depth = len(found[1]) // 4 + ("── " in line)
            drawn.append((depth, found[2], found[3]))
    parents: list[str] = []
    for depth, name, code in drawn:
        parents[depth:] = [name]
        kind = getattr(bff.errors, name)
        if depth:
            assert kind.__base__.__name__ == parents[depth - 1]
        if code is not None:
            assert kind.code == code
    assert {name for _, name, _ in drawn} == {kind.__name__ for kind in errors() if kind.__module__ == "bff.errors"}
