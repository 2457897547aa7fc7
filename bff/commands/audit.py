"""``bff audit``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from bff.commands.loading import AppPath, load_app
from bff.commands.views import AsJson, Views, chosen_views, plain
from bff.datastore.connect import open_datastore
from bff.datastore.port import Datastore
from bff.model.view_model import ViewModel
from bff.projection.as_of import RemoteAsOf
from bff.projection.audit import Audit, repair
from bff.projection.checkpoint import name_for
from bff.projection.drift import Drift
from bff.projection.every_key import every_key, sample
from bff.settings import load_settings

__all__ = ["audit"]

KEPT = 1000
"""Drifts that --json tells of in full, for each view."""


@dataclass(slots=True)
class Audited:
    """What came of one view."""

    view: str
    checked: int = 0
    behind: int = 0
    drifted: int = 0
    repaired: int = 0
    drifts: list[Drift] = field(default_factory=list)


def audit(
    app: AppPath,
    views: Views = None,
    *,
    sample_: Annotated[int, typer.Option("--sample", metavar="N", min=1, help="Look at so many of each view, by chance.")] = 100,
    all_: Annotated[bool, typer.Option("--all", help="Look at every one.")] = False,
    repair_: Annotated[bool, typer.Option("--repair", help="Build anew what has drifted.")] = False,
    seconds: Annotated[float, typer.Option(min=0, help="How long to wait for a projector to come to what was looked at.")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Compare stored views with what their code makes of their documents now.

    Says of each that differs in which fields, and why. Fails where any has drifted that was not repaired.
    """
    served = load_app(app)
    chosen = chosen_views(served, views)
    settings = served.settings or load_settings()

    async def run() -> list[Audited]:
        async with (
            served.datastore or open_datastore(settings.datastore_url) as datastore,
            RemoteAsOf(datastore, name_for(served.catalog)) as as_of,
        ):
            size = None if all_ else sample_
            looks = ((view, Audit(datastore, view, as_of, seconds=seconds)) for view in chosen)
            return [await _audit(datastore, view, look, size, repair_, as_json) for view, look in looks]

    done = asyncio.run(run())
    if as_json:
        typer.echo(json.dumps({"views": list(map(_to_json, done))}))
    else:
        for one in done:
            typer.echo(_summary(one, repairing=repair_))
    if any(one.drifted > one.repaired for one in done):
        raise typer.Exit(1)


async def _audit(
    datastore: Datastore, view: type[ViewModel], look: Audit, size: int | None, repairing: bool, as_json: bool
) -> Audited:
    done = Audited(view.__view__.name)
    async with aclosing(_keys(datastore, view, size)) as keys, aclosing(look.of(keys)) as found:
        async for drifts in found:
            done.drifted += len(drifts)
            if as_json:
                done.drifts += drifts[: KEPT - len(done.drifts)]
            else:
                _print(drifts)
            if repairing:
                done.repaired += sum(one.error is None for one in await repair(datastore, view, drifts))
    done.checked, done.behind = look.checked, look.behind
    return done


async def _keys(datastore: Datastore, view: type[ViewModel], size: int | None) -> AsyncGenerator[list[str], None]:
    async with aclosing(every_key(datastore, view)) as keys:
        if size is not None:
            yield await sample(keys, size)
            return
        async for page in keys:
            yield page


def _print(drifts: list[Drift]) -> None:
    for drift in drifts:
        typer.echo(f"{drift.view} {drift.key}: {drift.cause}: {drift.why}")
        for difference in drift.differences:
            typer.echo(f"  {difference}")


def _summary(one: Audited, *, repairing: bool) -> str:
    parts = [f"{one.checked} looked at", f"{one.drifted} drifted"]
    if repairing:
        parts.append(f"{one.repaired} repaired")
    if one.behind:
        parts.append(f"{one.behind} not judged: they have changed since a projector was last here, or go on changing")
    return f"{one.view}: {', '.join(parts)}"


def _to_json(one: Audited) -> dict[str, Any]:
    return {
        "view": one.view,
        "checked": one.checked,
        "drifted": one.drifted,
        "repaired": one.repaired,
        "behind": one.behind,
        "drifts": [
            {
                "key": drift.key,
                "cause": drift.cause,
                "why": drift.why,
                "differences": [plain(difference.to_data()) for difference in drift.differences],
            }
            for drift in one.drifts
        ],
    }
