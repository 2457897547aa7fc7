"""The ``bff`` command."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
import uvicorn
from graphql import print_schema
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bff.app import App
from bff.datastore.connect import open_datastore
from bff.doctor import examine
from bff.errors import BFFError, SettingsError
from bff.projection.rebuild import RebuildProgress, rebuild
from bff.serving.uvicorn_protocol import WebSocketProtocol
from bff.settings import load_settings

__all__ = ["load_app", "main"]

T = TypeVar("T")

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="A GraphQL-first backend-for-frontend toolkit.")
schema_cli = typer.Typer(no_args_is_help=True, help="The GraphQL schema of an app.")
cli.add_typer(schema_cli, name="schema")

GRACEFUL_SHUTDOWN_SECONDS = 10

AppPath = Annotated[str, typer.Argument(metavar="MODULE:APP", help="Where the bff.App stands, e.g. poll:app.")]


def main() -> None:
    """Run the command line. What is wrong is one line, and exit code 1."""
    try:
        cli()
    except BFFError as error:
        Console(stderr=True, soft_wrap=True).print(f"bff: {error}", style="bold red", markup=False, highlight=False)
        sys.exit(1)


@cli.command()
def serve(
    app: AppPath,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8000,
    role: Annotated[str | None, typer.Option(help="all, web, projector or relay. Default: BFF_ROLE, or all.")] = None,
) -> None:
    """Serve an app: GraphQL over HTTP and WebSocket, health, and the upkeep of its views."""
    served = load_app(app)
    served.settings = load_settings(**({} if role is None else {"role": role}))
    uvicorn.run(
        served,
        host=host,
        port=port,
        ws=WebSocketProtocol,
        # Compressing frames costs more than half of the throughput (docs/decisions/transport-ws-session.md).
        ws_per_message_deflate=False,
        ws_max_size=served.settings.limits.message_bytes,
        # Sessions ping by themselves, and close with a code on which clients come back; uvicorn's 1011 is final to them.
        ws_ping_interval=None,
        lifespan="on",
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
        log_level="info",
        access_log=False,
    )


@cli.command("rebuild")
def rebuild_command(
    app: AppPath,
    views: Annotated[list[str] | None, typer.Argument(metavar="[VIEW]...", help="Which views. Default: all.")] = None,
) -> None:
    """Build views again from their documents. The old ones are served until the new ones are there."""
    served = load_app(app)
    unknown = sorted(set(views or ()) - set(served.catalog.views))
    if unknown:
        raise SettingsError(f"no view is called {', '.join(unknown)}; there are {', '.join(served.catalog.views)}")
    settings = served.settings or load_settings()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def show(progress: RebuildProgress) -> None:
            if progress.view not in tasks:
                tasks[progress.view] = bars.add_task(progress.view)
            bars.update(tasks[progress.view], total=progress.found, completed=progress.built)

        async def run() -> list[RebuildProgress]:
            chosen = [view for name, view in served.catalog.views.items() if not views or name in views]
            async with served.datastore or open_datastore(settings.datastore_url) as datastore:
                return await rebuild(datastore, chosen, on_progress=show)

        done = _run(run())
    for progress in done:
        typer.echo(f"{progress.view}: {progress.built - progress.failed} built, {progress.failed} failed")
    if any(progress.failed for progress in done):
        typer.echo("bff doctor says why.", err=True)
        raise typer.Exit(1)


@cli.command()
def doctor(app: AppPath) -> None:
    """Say how an app is: its settings, datastore, broadcast, projector, and the views that cannot be built."""
    served = load_app(app)
    settings = served.settings or load_settings()
    findings = _run(examine(served.catalog, settings, served.datastore, served.broadcast))
    console = Console(soft_wrap=True)
    for finding in findings:
        mark, style = ("✓", "green") if finding.ok else ("✗", "bold red")
        console.print(f"{mark} {finding.subject}: {finding.text}", style=style, markup=False, highlight=False)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


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
        output.write_text(f"{sdl}\n")
    except OSError as error:
        raise SettingsError(f"{output} cannot be written: {error.strerror}") from None


def load_app(path: str) -> App:
    """The ``bff.App`` at ``module:attribute``; the working directory is searched first. Raises SettingsError."""
    module_name, _, attribute = path.partition(":")
    if not module_name or not attribute:
        raise SettingsError(f"{path!r}: name the app as module:attribute, e.g. poll:app")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # A module that the app's own module misses is its own error, with its own traceback.
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise SettingsError(f"there is no module {module_name!r} here or on the Python path") from None
    app = getattr(module, attribute, None)
    if not isinstance(app, App):
        raise SettingsError(f"{path}: {attribute!r} in {module_name} is {type(app).__name__}, not a bff.App")
    return app


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)
