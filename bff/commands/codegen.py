"""``bff codegen``: an app's types in other languages, by the packages that are known for it."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from graphql import print_schema

from bff.commands.loading import AppPath, load_app
from bff.contract.typescript import codegen_config, scalar_types
from bff.errors import SettingsError

__all__ = ["codegen_cli"]

codegen_cli = typer.Typer(no_args_is_help=True, help="Types of an app's schema for clients.")

PACKAGES = ("@graphql-codegen/cli", "@graphql-codegen/client-preset")


@codegen_cli.callback()
def _codegen() -> None:
    """Types of an app's schema for clients."""


@codegen_cli.command("typescript")
def codegen_typescript(
    app: AppPath,
    documents: Annotated[list[str], typer.Option(help="Where the client's operations stand: a glob. May be repeated.")],
    output: Annotated[str, typer.Option(help="The folder to write.")] = "src/gql/",
    project: Annotated[
        Path, typer.Option(help="The folder of the client's package.json; globs and --output are in it.")
    ] = Path(),
    scalar: Annotated[list[str] | None, typer.Option(help="NAME=TYPE, for a scalar of your own. May be repeated.")] = None,
) -> None:
    """Write typed document nodes for the operations of a TypeScript client, with graphql-codegen's client preset."""
    schema = load_app(app).schema
    scalars = scalar_types(schema, scalar or ())
    command = _command(project)
    with tempfile.TemporaryDirectory(prefix="bff-codegen-") as folder:
        sdl, config = Path(folder) / "schema.graphql", Path(folder) / "codegen.json"
        sdl.write_text(print_schema(schema), encoding="utf-8")
        config.write_text(json.dumps(codegen_config(sdl, documents, output, scalars)))
        done = subprocess.run([*command, "--config", str(config)], cwd=project, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise typer.Exit(done.returncode)


def _command(project: Path) -> list[str]:
    """graphql-codegen as the client's project has it installed: nothing is downloaded. Raises SettingsError where it has not."""
    if not project.is_dir():
        raise SettingsError(f"--project {project}: there is no such folder")
    if shutil.which("npx") is None:
        raise SettingsError("npx is not on PATH: bff codegen runs the packages of Node.js, 20 or newer")
    places = [folder / "node_modules" for folder in (project.resolve(), *project.resolve().parents)]
    missing = [package for package in PACKAGES if not any((place / package).is_dir() for place in places)]
    if missing:
        raise SettingsError(
            f"{' and '.join(missing)} are not installed in {project.resolve()}: npm install -D {' '.join(PACKAGES)}"
        )
    return ["npx", "--no-install", "graphql-codegen"]
