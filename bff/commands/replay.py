"""``bff replay``."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from bff.commands.loading import AppPath, load_app
from bff.datastore.connect import open_datastore
from bff.errors import SettingsError
from bff.projection.handling import HandlingOptions
from bff.projection.triggers import Triggers
from bff.settings import load_settings

__all__ = ["replay"]


def replay(app: AppPath, mediator: Annotated[str, typer.Argument(metavar="MEDIATOR", help="The name of its class.")]) -> None:
    """Run a mediator again from the beginning: every document that it has handled is a created one once more.

    What its handlers write is written again; what they send is not sent again.
    """
    served = load_app(app)
    known = {one.__name__: one for one in served.catalog.mediators if one.__mediator__.sources}
    if mediator not in known:
        raise SettingsError(
            f"no mediator that reacts to documents is called {mediator!r}; there are: {', '.join(known) or 'none'}"
        )
    settings = served.settings or load_settings()

    async def run() -> tuple[int, int]:
        handled = failed = 0
        async with served.datastore or open_datastore(settings.datastore_url) as datastore:
            options = HandlingOptions(settings.dead_after_attempts, settings.handler_seconds)
            async for path, error in Triggers(datastore, known[mediator], options).replay():
                handled += error is None
                failed += error is not None
                if error is not None:
                    typer.echo(f"{path}: {error}", err=True)
        return handled, failed

    handled, failed = asyncio.run(run())
    typer.echo(f"{mediator}: {handled} handled again, {failed} failed")
    if failed:
        raise typer.Exit(1)
