"""The ``bff`` command."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from bff.commands.audit import audit
from bff.commands.codegen import codegen_cli
from bff.commands.dead import dead_cli
from bff.commands.doctor import doctor
from bff.commands.indexes import indexes
from bff.commands.persist import persist
from bff.commands.rebuild import rebuild_command
from bff.commands.replay import replay
from bff.commands.rules import rules
from bff.commands.schema import schema_cli
from bff.commands.serve import serve
from bff.errors import BFFError

__all__ = ["cli", "main"]

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="A GraphQL-first backend-for-frontend toolkit.")
cli.command()(serve)
cli.command("rebuild")(rebuild_command)
cli.command()(audit)
cli.command()(replay)
cli.command()(doctor)
cli.command()(persist)
cli.command()(indexes)
cli.command()(rules)
cli.add_typer(dead_cli, name="dead")
cli.add_typer(schema_cli, name="schema")
cli.add_typer(codegen_cli, name="codegen")


def main() -> None:
    """Run the command line. What is wrong is one line, and exit code 1."""
    try:
        cli()
    except BFFError as error:
        Console(stderr=True, soft_wrap=True).print(f"bff: {error}", style="bold red", markup=False, highlight=False)
        sys.exit(1)
