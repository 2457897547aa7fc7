"""``bff rebuild``."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bff.commands.loading import AppPath, load_app
from bff.commands.views import AsJson, Views, chosen_views, plain
from bff.datastore.connect import open_datastore
from bff.datastore.port import Datastore
from bff.errors import SettingsError
from bff.model.view_model import ViewModel
from bff.projection.ahead import Ahead
from bff.projection.preview import Preview, preview
from bff.projection.prune import prune
from bff.projection.rebuild import RebuildProgress
from bff.projection.rebuild_place import RebuildPlace
from bff.settings import load_settings

__all__ = ["rebuild_command"]

UNITS = {"m": 60, "h": 3600, "d": 86400}
LEAST_SECONDS = 600


def rebuild_command(
    app: AppPath,
    views: Views = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; say what would change, and how.")] = False,
    show: Annotated[int, typer.Option(metavar="N", min=0, help="With --dry-run: so many changes of each view in full.")] = 10,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew, also where one was interrupted.")] = False,
    prune_: Annotated[bool, typer.Option("--prune", help="Build nothing; remove storages of former code.")] = False,
    older_than: Annotated[
        str, typer.Option(metavar="AGE", help="With --prune: followed by nobody for so long, e.g. 7d, 12h.")
    ] = "7d",
    as_json: AsJson = False,
) -> None:
    """Build views again from their documents. The old ones are served until the new ones are there.

    Those that are stored beside those of former code (beside=True) are built ahead: a projector of this code switches to them.

    One that was interrupted goes on where it was, if the view's code is the same. Fails where a view cannot be built.
    """
    served = load_app(app)
    chosen, seconds = chosen_views(served, views), _seconds(older_than)
    settings = served.settings or load_settings()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def show_progress(view: str, found: int | None, done: int) -> None:
            if view not in tasks:
                tasks[view] = bars.add_task(view)
            bars.update(tasks[view], total=found, completed=done)

        async def run(datastore: Datastore) -> int:
            if dry_run:
                previews = [
                    await preview(
                        datastore, view, show=show, on_progress=lambda so_far: show_progress(so_far.view, None, so_far.keys)
                    )
                    for view in chosen
                ]
                return _tell_previews(previews, as_json=as_json)
            if prune_:
                return await _prune(datastore, chosen, seconds, as_json=as_json)
            await _begin(datastore, chosen, restart=restart, as_json=as_json)
            ahead = Ahead(datastore, served.catalog, lambda one: show_progress(one.view, one.found, one.built))
            return _tell_done([await ahead.rebuild(view) for view in chosen], as_json=as_json)

        async def opened() -> int:
            async with served.datastore or open_datastore(settings.datastore_url) as datastore:
                return await run(datastore)

        failed = asyncio.run(opened())
    if failed:
        raise typer.Exit(1)


def _seconds(age: str) -> float:
    number, unit = age[:-1], UNITS.get(age[-1:])
    if unit is None or not number.isdigit() or int(number) * unit < LEAST_SECONDS:
        raise SettingsError(
            f"--older-than {age!r}: give a number of m, h or d, at least 10m: a projector says so rarely that it is there"
        )
    return int(number) * unit


async def _prune(datastore: Datastore, views: list[type[ViewModel]], older_than: float, *, as_json: bool) -> int:
    done = [one for view in views for one in await prune(datastore, view, older_than)]
    if as_json:
        typer.echo(json.dumps({"pruned": [asdict(one) for one in done]}))
        return 0
    for one in done:
        kept = "" if one.complete else "; a process of its code has come back to it, and has the rest"
        typer.echo(f"{one.storage}: {one.documents} documents removed{kept}")
    if not done:
        typer.echo(f"nothing to remove: {len(views)} views looked at")
    return 0


async def _begin(datastore: Datastore, views: list[type[ViewModel]], *, restart: bool, as_json: bool) -> None:
    for view in views:
        if restart:
            await RebuildPlace.clear(datastore, view)
        elif not as_json and (place := await RebuildPlace.load(datastore, view)) is not None:
            typer.echo(f"{view.__view__.name}: goes on after {place.built} that were built before it was interrupted")


def _tell_done(done: list[RebuildProgress], *, as_json: bool) -> int:
    failed = sum(one.failed for one in done)
    if as_json:
        typer.echo(json.dumps({"views": [asdict(one) for one in done]}))
        return failed
    for one in done:
        typer.echo(f"{one.view}: {one.built - one.failed} built, {one.failed} failed")
    if failed:
        typer.echo("bff doctor says why.", err=True)
    return failed


def _tell_previews(previews: list[Preview], *, as_json: bool) -> int:
    if as_json:
        typer.echo(json.dumps({"views": list(map(_to_json, previews))}))
    else:
        for one in previews:
            _print(one)
    return sum(one.failed for one in previews)


def _print(found: Preview) -> None:
    counts = [(found.changed, "change"), (found.created, "be created"), (found.removed, "be removed")]
    would = ", ".join(f"{number} would {what}" for number, what in counts if number)
    typer.echo(f"{found.view}: {would or 'nothing would change'}; {found.unchanged} as they are, {found.failed} cannot be built")
    for name, number in found.fields.most_common():
        typer.echo(f"  {name}: in {number}")
    for change in found.shown:
        typer.echo(f"{found.view} {change.key}: {change.kind}")
        for difference in change.differences:
            typer.echo(f"  {difference}")
    for key, error in found.failures:
        typer.echo(f"{found.view} {key}: cannot be built: {error}")


def _to_json(found: Preview) -> dict[str, Any]:
    return {
        "view": found.view,
        "keys": found.keys,
        "unchanged": found.unchanged,
        "created": found.created,
        "changed": found.changed,
        "removed": found.removed,
        "failed": found.failed,
        "fields": dict(found.fields.most_common()),
        "changes": [
            {"key": one.key, "kind": one.kind, "differences": [plain(difference.to_data()) for difference in one.differences]}
            for one in found.shown
        ],
        "failures": [{"key": key, "error": error} for key, error in found.failures],
    }
