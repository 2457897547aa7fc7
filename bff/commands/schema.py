"""``bff schema``: the GraphQL schema of an app, and what its changes do to clients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from graphql import GraphQLSchema, print_schema

from bff.commands.loading import AppPath, load_app
from bff.contract.baseline import read_baseline, settled
from bff.contract.changes import Change, Severity, changes_between
from bff.contract.impact import Impact, impacts
from bff.contract.recorded import RecordedOperation, read_operations
from bff.errors import SettingsError

__all__ = ["schema_cli"]

schema_cli = typer.Typer(no_args_is_help=True, help="The GraphQL schema of an app.")

Against = Annotated[
    str | None, typer.Option(help="The schema to compare with: a file of SDL, or git:REF:PATH.", metavar="FILE|git:REF:PATH")
]
Ref = Annotated[str | None, typer.Option(help="The file as it is at a ref of git: main, origin/main, v1.2.")]
File = Annotated[str, typer.Option("--file", help="The file that --ref means.")]
Operations = Annotated[
    list[str] | None,
    typer.Option(help="Operations that clients send: a manifest (.json) or .graphql files, globs too. May be repeated."),
]
DEFAULT_FILE = "schema.graphql"


@schema_cli.command("print")
def schema_print(
    app: AppPath,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file to write instead of standard output.")] = None,
) -> None:
    """Print the GraphQL schema as SDL. The same declarations give the same text."""
    sdl = print_schema(load_app(app).schema)
    if output is None:
        typer.echo(sdl)
        return
    try:
        output.write_text(f"{sdl}\n", encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{output} cannot be written: {error.strerror}") from None


@schema_cli.command("diff")
def schema_diff(
    app: AppPath, against: Against = None, ref: Ref = None, file: File = DEFAULT_FILE, operations: Operations = None
) -> None:
    """Show what has changed since another schema: what breaks clients, what is dangerous, what is safe."""
    old = _baseline(against, ref, file)
    if old is None:
        raise SettingsError("name the schema to compare with: --against schema.graphql, or --ref main")
    new = settled(load_app(app).schema)
    changes = changes_between(old, new)
    _show(changes, impacts(old, new, changes, read_operations(operations or [])))


@schema_cli.command("check")
def schema_check(
    app: AppPath, against: Against = None, ref: Ref = None, file: File = DEFAULT_FILE, operations: Operations = None
) -> None:
    """Fail where a change breaks clients.

    Without --operations, every breaking change fails. With them, only what breaks one of them does; it is named.
    """
    old = _baseline(against, ref, file)
    if old is None and not operations:
        raise SettingsError(
            "name the schema to compare with (--against, --ref), the operations of clients (--operations), or both"
        )
    recorded = read_operations(operations or [])
    new = settled(load_app(app).schema)
    changes = () if old is None else changes_between(old, new)
    found = impacts(old, new, changes, recorded)
    _show([change for change in changes if change.severity is not Severity.SAFE], found)
    breaking = [change for change in changes if change.severity is Severity.BREAKING]
    broken = [impact for impact in found if impact.breaks]
    typer.echo(_summary(breaking, broken, recorded))
    if broken if operations else breaking:
        raise typer.Exit(1)


def _baseline(against: str | None, ref: str | None, file: str) -> GraphQLSchema | None:
    if against is not None and ref is not None:
        raise SettingsError("--against and --ref name a schema each: give one of them")
    if ref is not None:
        # Of git's paths, one that begins with a dot is from here, and others from the top of the repository: a file is from here.
        return read_baseline(f"git:{ref}:{file if Path(file).is_absolute() else f'./{file}'}")
    return None if against is None else read_baseline(against)


def _show(changes: Iterable[Change], found: Sequence[Impact]) -> None:
    """Each change with the operations that it breaks, then those that no change explains."""
    for change in changes:
        typer.echo(f"{change.severity:<10} {change.description}")
        for impact in found:
            if change in impact.changes:
                typer.echo(f"{'':<10}   breaks {_named(impact.operation)}")
    for impact in found:
        if not impact.was_valid:
            typer.echo(f"{'note':<10} {_named(impact.operation)} was not valid before either: {impact.problems[0]}")
        elif not impact.changes:
            typer.echo(f"{'breaking':<10} {_named(impact.operation)} is not valid: {impact.problems[0]}")


def _named(operation: RecordedOperation) -> str:
    return f"{operation.name} ({operation.where})"


def _summary(breaking: Sequence[Change], broken: Sequence[Impact], recorded: Sequence[RecordedOperation]) -> str:
    changes = f"{len(breaking)} breaking {'change' if len(breaking) == 1 else 'changes'}"
    if not recorded:
        return f"{changes}."
    of = f"{len(broken)} of {len(recorded)} recorded {'operation' if len(recorded) == 1 else 'operations'}"
    return f"{changes}; {of} {'breaks' if len(broken) == 1 else 'break'}."
