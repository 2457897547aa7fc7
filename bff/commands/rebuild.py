"""``bff rebuild``."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bff.commands.loading import AppPath, load_app
from bff.datastore.connect import open_datastore
from bff.errors import SettingsError
from bff.projection.rebuild import RebuildProgress, rebuild
from bff.settings import load_settings

__all__ = ["rebuild_command"]


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

        done = asyncio.run(run())
    for progress in done:
        typer.echo(f"{progress.view}: {progress.built - progress.failed} built, {progress.failed} failed")
    if any(progress.failed for progress in done):
        typer.echo("bff doctor says why.", err=True)
        raise typer.Exit(1)
