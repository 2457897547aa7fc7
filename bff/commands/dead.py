"""``bff dead``: what was set aside because it failed too often."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pprint import pformat
from typing import Annotated, TypeVar

import typer

from bff.app import App
from bff.commands.loading import AppPath, load_app
from bff.datastore.connect import open_datastore
from bff.datastore.port import Datastore
from bff.errors import SettingsError
from bff.projection.dead import DeadLetter, DeadLetters
from bff.projection.handling import HandlingOptions
from bff.projection.mediation import handlings
from bff.projection.outbox import Outbox, OutboxOptions
from bff.settings import Settings, load_settings

__all__ = ["dead_cli"]

T = TypeVar("T")

dead_cli = typer.Typer(no_args_is_help=True, help="What was set aside because it failed too often.")

Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="A mediator, a form or an effect, as listed.")]
Key = Annotated[str | None, typer.Argument(metavar="[KEY]", help="A document's path, or an effect's key, as listed.")]


@dead_cli.command("list")
def dead_list(app: AppPath) -> None:
    """List what is set aside: its name, its key, and what was raised. Nothing set aside is no output."""

    async def run(letters: DeadLetters, datastore: Datastore) -> None:
        async for letter in letters:
            typer.echo(f"{letter.name} {letter.key}: {letter.error} ({_attempts(letter)})")

    _with(app, run)


@dead_cli.command("show")
def dead_show(
    app: AppPath,
    name: Annotated[str, typer.Argument(metavar="NAME", help="As the list shows it.")],
    key: Annotated[str, typer.Argument(metavar="KEY", help="As the list shows it.")],
) -> None:
    """Show one of them with the document that it is about. Fails where it is not set aside."""

    async def run(letters: DeadLetters, datastore: Datastore) -> None:
        found = await _found(letters, name, key)
        if not found:
            raise SettingsError(f"{name} {key} is not set aside: see bff dead list")
        for letter in found:
            typer.echo(f"{letter.name} {letter.key}\n{_attempts(letter)}\n{letter.error}\n")
            typer.echo(await _content(datastore, letter))

    _with(app, run)


@dead_cli.command("retry")
def dead_retry(
    app: AppPath,
    name: Name = None,
    key: Key = None,
    all_: Annotated[bool, typer.Option("--all", help="Everything that is set aside.")] = False,
) -> None:
    """Try again, in this process: one, all of a name, or --all. What works is cleared; fails where anything does not."""
    if (name is None) is not all_:
        raise SettingsError("say what to try again: a name, a name and a key, or --all")

    async def run(letters: DeadLetters, datastore: Datastore) -> bool:
        found = await _found(letters, name, key)
        if not found:
            if all_:
                typer.echo("nothing is set aside")
                return True
            raise SettingsError(f"{' '.join(filter(None, (name, key)))}: nothing of it is set aside: see bff dead list")
        well = True
        for letter in found:
            error = await letters.retry(letter) if letters.knows(letter) else f"{app} has no {letter.name}"
            typer.echo(f"{letter.name} {letter.key}: {'done' if error is None else error}")
            well = well and error is None
        return well

    if not _with(app, run):
        raise typer.Exit(1)


def _with(path: str, run: Callable[[DeadLetters, Datastore], Awaitable[T]]) -> T:
    served = load_app(path)
    settings = served.settings or load_settings()

    async def opened() -> T:
        async with served.datastore or open_datastore(settings.datastore_url) as datastore:
            return await run(_letters(served, settings, datastore), datastore)

    return asyncio.run(opened())


def _letters(served: App, settings: Settings, datastore: Datastore) -> DeadLetters:
    options = HandlingOptions(settings.dead_after_attempts, settings.handler_seconds)
    outbox = Outbox(datastore, served.catalog, OutboxOptions(settings.dead_after_attempts))
    return DeadLetters(datastore, handlings(datastore, served.catalog, options), outbox)


async def _found(letters: DeadLetters, name: str | None, key: str | None) -> list[DeadLetter]:
    return [one async for one in letters if name in {None, one.name} and key in {None, one.key}]


async def _content(datastore: Datastore, letter: DeadLetter) -> str:
    if letter.is_effect:
        return pformat(letter.payload, width=100, sort_dicts=False)
    async with datastore.snapshot() as snapshot:
        [document] = await snapshot.get([letter.key])
    return "the document is gone" if document.data is None else pformat(dict(document.data), width=100, sort_dicts=False)


def _attempts(letter: DeadLetter) -> str:
    since = datetime.fromtimestamp(letter.since / 1_000_000, UTC).isoformat(timespec="seconds")
    return f"{letter.attempts} attempt{'' if letter.attempts == 1 else 's'} since {since}"
