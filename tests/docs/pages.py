"""Runs the code blocks of a documentation page, from the top to the bottom, as a reader would.

- ``python`` that begins with a comment naming a file (``# poll.py``) is that file; other Python is run here, where ``await`` may
  stand at the top, and sees what the files define.
- ``graphql`` is sent to the app the page has declared last (``app``), with the variables of a comment ``# {"id": "SF"}``.
- ``json`` is what the GraphQL before it answers: each key it shows must be there, with that value.
- ``console``: each command is checked to exist, with its options; ``bff schema`` is run, and prints what is shown below it.
- ``toml`` is read as settings.
- ``js`` and ``ts`` stand in files that other tests run: test_snippets.py.
- blocks without a language are figures.
"""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import json
import re
import shlex
import sys
import tomllib
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from typer.testing import CliRunner

from bff.app import App
from bff.cli import cli
from bff.settings import Settings
from bff.testing.harness import AppHarness

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^# (?P<name>[\w/]+\.py)\n")
_COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
_VARIABLES = re.compile(r"^# (\{.*\})$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [Block(page, text.count("\n", 0, found.start()) + 1, found[1], found[2]) for found in _FENCE.finditer(text)]


class Reader:
    """Does what a page says, in a folder of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._monkeypatch = monkeypatch
        self._names: dict[str, Any] = {"__name__": "page"}
        self._answer: dict[str, Any] | None = None
        self._running: AppHarness | None = None
        self._stack = AsyncExitStack()
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(str(folder))

    def read(self, page: Path) -> None:
        with asyncio.Runner() as runner:
            try:
                for block in blocks(page):
                    try:
                        self._do(runner, block)
                    except (Exception, SystemExit) as error:
                        raise AssertionError(f"{block}: {error}") from error
            finally:
                runner.run(self._stack.aclose())

    def _do(self, runner: asyncio.Runner, block: Block) -> None:
        match block.language:
            case "python":
                self._python(runner, block)
            case "graphql":
                runner.run(self._graphql(block))
            case "json":
                assert self._answer is not None, "there is no GraphQL before it"
                shown = json.loads(block.text)
                assert _shows(self._answer, shown), f"the page says {shown}, the answer is {self._answer}"
            case "console":
                for found in _COMMAND.finditer(block.text):
                    self._console(found[1], found[2].splitlines())
            case "toml":
                table = tomllib.loads(block.text)
                Settings(**table.get("tool", {}).get("bff", table))
            case "" | "js" | "jsx" | "ts" | "tsx":
                pass
            case other:
                raise AssertionError(f"nobody knows how to run {other!r}")

    def _python(self, runner: asyncio.Runner, block: Block) -> None:
        named = _FILE.match(block.text)
        if named is None:
            code = compile(block.text, str(block), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
            runner.run(self._run(code))
            return
        file = self._folder / named["name"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text)
        module_name = named["name"].removesuffix(".py").replace("/", ".")
        spec = importlib.util.spec_from_file_location(module_name, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        self._monkeypatch.setitem(sys.modules, module_name, module)
        spec.loader.exec_module(module)
        self._names.update((name, value) for name, value in vars(module).items() if not name.startswith("__"))
        for name, value in vars(module).items():
            if name.startswith("test_") and callable(value):
                # What a page shows as a test is run as one.
                runner.run(value())

    async def _run(self, code: CodeType) -> None:
        running = eval(code, self._names)
        if running is not None:
            await running

    async def _graphql(self, block: Block) -> None:
        app = self._names["app"]
        assert isinstance(app, App)
        if self._running is None or self._running.app is not app:
            await self._stack.aclose()
            self._running = await self._stack.enter_async_context(AppHarness(app))
        found = _VARIABLES.search(block.text)
        variables = json.loads(found[1], object_hook=self._filled_in) if found else {}
        if re.search(r"^subscription", block.text, re.MULTILINE):
            async with self._running.watch(block.text, variables) as watch:
                self._answer = await watch.next()
        else:
            self._answer = await self._running.execute(block.text, variables)
        assert "errors" not in self._answer or "error" in block.text, self._answer
        for result in (self._answer.get("data") or {}).values():
            if isinstance(result, dict) and "id" in result:
                self._names["id"] = result["id"]

    def _filled_in(self, values: dict[str, Any]) -> dict[str, Any]:
        """``"…"`` as a value of a variable stands for the id that was answered last."""
        return {name: self._names["id"] if value == "…" else value for name, value in values.items()}

    def _console(self, command: str, shown: list[str]) -> None:
        words = shlex.split(command, comments=True)
        for part in " ".join(words).split(" && "):
            match part.split():
                case ["make", target, *_]:
                    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), f"no such target: {target}"
                case ["bff", "schema", *rest]:
                    result = CliRunner().invoke(cli, ["schema", *rest])
                    assert result.exit_code in ({0, 1} if "check" in rest else {0}), result.output
                    if shown:
                        assert result.output.splitlines() == shown, result.output
                case ["bff", *rest]:
                    names = [word for word in rest if not word.startswith("-")][: 2 if rest[0] == "codegen" else 1]
                    help_text = CliRunner().invoke(cli, [*names, "--help"], env={"COLUMNS": "200"}).output
                    for option in (word for word in rest if word.startswith("--")):
                        assert option.split("=")[0] in help_text, f"bff {names}: no option {option}"
                case ["export", *settings]:
                    for setting in settings:
                        name = setting.split("=")[0]
                        assert name.removeprefix("BFF_").split("__")[0].lower() in Settings.model_fields, f"no setting {name}"
                case ["npm", *_] | ["git", *_] | ["npx", *_]:
                    pass
                case ["cd" | "curl" | "pytest" | "uvicorn" | "gcloud" | "firebase", *_] | ["pip", "install", *_]:
                    pass
                case other:
                    raise AssertionError(f"nobody knows how to run {other}")


def _shows(answer: Any, shown: Any) -> bool:
    """Whether everything that the page shows is in the answer."""
    if isinstance(shown, dict):
        return isinstance(answer, dict) and all(name in answer and _shows(answer[name], value) for name, value in shown.items())
    if isinstance(shown, list):
        return isinstance(answer, list) and len(answer) == len(shown) and all(map(_shows, answer, shown))
    return shown in {"…", answer} if isinstance(shown, str) else answer == shown
