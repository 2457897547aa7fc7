"""``bff doctor``."""

from __future__ import annotations

import asyncio

import typer
from rich.console import Console

from bff.commands.loading import AppPath, load_app
from bff.doctor import examine
from bff.settings import load_settings

__all__ = ["doctor"]


def doctor(app: AppPath) -> None:
    """Say how an app is: its settings, datastore, broadcast, projector, and the views that cannot be built."""
    served = load_app(app)
    settings = served.settings or load_settings()
    findings = asyncio.run(examine(served.catalog, settings, served.datastore, served.broadcast))
    console = Console(soft_wrap=True)
    for finding in findings:
        mark, style = ("✓", "green") if finding.ok else ("✗", "bold red")
        console.print(f"{mark} {finding.subject}: {finding.text}", style=style, markup=False, highlight=False)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)
