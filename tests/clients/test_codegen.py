"""``bff codegen typescript``: what a client may write compiles, and a wrong field does not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.clients.npm import install, locked, need_node

EXAMPLE = Path(__file__).parent / "codegen"
PROGRAM = Path(sys.executable).with_name("bff")

MISTAKES = {
    "a field that was not asked for": (
        'import { label } from "./apollo"; import { Product } from "./operations"; import { Client } from "@urql/core";'
        "export const wrong = async (client: Client) => { void label;"
        ' return (await client.query(Product, { id: "1" })).data?.productView?.stock; };',
        "Property 'stock' does not exist",
    ),
    "a variable of another type": (
        'import { Product } from "./operations"; import { Client } from "@urql/core";'
        "export const wrong = (client: Client) => client.query(Product, { id: 1 });",
        "Type 'number' is not assignable to type 'string'",
    ),
    "a scalar as what it is not": (
        'import type { ProductQuery } from "./gql/graphql";'
        "export const wrong = (data: ProductQuery): number => data.productView!.bakedAt;",
        "Type 'string' is not assignable to type 'number'",
    ),
    "a scalar that nothing is known of": (
        'import type { ProductQuery } from "./gql/graphql";'
        "export const wrong = (data: ProductQuery): string => data.productView!.cost;",
        "Type 'unknown' is not assignable to type 'string'",
    ),
}


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, "codegen", "typescript", *words], cwd=folder, capture_output=True, text=True, timeout=120)


def compiled(project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["npx", "--no-install", "tsc", "--noEmit"], cwd=project, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, its types written."""
    need_node()
    install(EXAMPLE)
    folder = tmp_path_factory.mktemp("codegen")
    with locked(EXAMPLE):
        shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules", "gql", "__pycache__"))
    (folder / "node_modules").symlink_to(EXAMPLE / "node_modules")
    done = run("shop:app", "--documents", "src/**/*.{ts,tsx,graphql}", "--output", "src/gql/", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


# The first run installs packages.
@pytest.mark.timeout(500)
def test_what_apollo_and_urql_read_is_typed(project: Path) -> None:
    done = compiled(project)
    assert done.returncode == 0, done.stdout
    assert not re.search(r"\bany\b", (project / "src" / "gql" / "graphql.ts").read_text())


@pytest.mark.timeout(500)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_wrong_does_not_compile(project: Path, mistake: str) -> None:
    text, problem = MISTAKES[mistake]
    wrong = project / "src" / "wrong.ts"
    wrong.write_text(text)
    try:
        done = compiled(project)
    finally:
        wrong.unlink()
    assert done.returncode != 0
    assert problem in done.stdout


@pytest.mark.timeout(500)
def test_a_document_that_the_schema_does_not_know_is_refused(project: Path) -> None:
    (project / "wrong.graphql").write_text("query Wrong { productView(id: 1) { titel } }")
    done = run("shop:app", "--documents", "wrong.graphql", "--output", "wrong/", folder=project)
    assert done.returncode == 1
    assert "titel" in done.stdout + done.stderr


@pytest.mark.timeout(500)
def test_an_own_scalar_can_be_named(project: Path) -> None:
    words = ("shop:app", "--documents", "src/operations.ts", "--output", "own/", "--scalar", "Money=string & { euro: true }")
    done = run(*words, folder=project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "string & { euro: true }" in (project / "own" / "graphql.ts").read_text()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "@graphql-codegen/cli and @graphql-codegen/client-preset are not installed in"),
        ((), "npm install -D @graphql-codegen/cli @graphql-codegen/client-preset"),
        (("--scalar", "Money"), "--scalar Money: give a name and a type"),
        (("--scalar", "Coin=string"), "the schema has no scalar 'Coin'; there are BigInt, Boolean, "),
        (("--project", "nowhere"), "there is no such folder"),
    ],
)
def test_what_is_missing_is_one_line(tmp_path: Path, words: Sequence[str], problem: str) -> None:
    need_node()
    shutil.copy(EXAMPLE / "shop.py", tmp_path)
    done = run("shop:app", "--documents", "src/*.ts", *words, folder=tmp_path)
    assert done.returncode == 1
    assert problem in done.stderr
    assert "Traceback" not in done.stderr
