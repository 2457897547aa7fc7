"""``bff indexes``: the Firestore indexes that an app needs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from bff.app import App
from bff.commands.loading import AppPath, load_app
from bff.contract.recorded import RecordedOperation, read_operations
from bff.errors import SettingsError
from bff.indexes.config import IndexConfig, index_config, missing_from, with_config

__all__ = ["indexes"]

MOST_INDEXES = 200
"""Composite indexes of a database without billing; with it, 1,000: https://firebase.google.com/docs/firestore/quotas#indexes"""


DEPTH = (
    "Fields that a list is ordered by, or compares by more than equality, at a time. "
    f"Default: 2, or 1 where that comes to more than {MOST_INDEXES} indexes."
)

OPERATIONS = (
    "A manifest of operations (.json) or files of GraphQL (a glob): lists then get the indexes that these ask for, and no others."
)


def indexes(
    app: AppPath,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write; what it has already stays.")] = Path(
        "firestore.indexes.json"
    ),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit with 1 where the file lacks something.")] = False,
    depth: Annotated[int | None, typer.Option(min=0, max=4, help=DEPTH)] = None,
    operations: Annotated[list[str] | None, typer.Option(metavar="FILE", help=OPERATIONS)] = None,
) -> None:
    """Write the Firestore indexes that the lists and Stores of an app need, for firebase deploy --only firestore:indexes."""
    served = load_app(app)
    config = _config(served, depth, None if operations is None else read_operations(operations))
    existing = _read(output)
    lacking, unexempted = missing_from(existing, config)
    for name in config.unknown:
        typer.echo(f"{name}: what its where= asks is only known when it runs: add its index, if it needs one", err=True)
    if check:
        for one in lacking:
            typer.echo(f"{output} lacks the index {_text(one)}", err=True)
        for one in unexempted:
            typer.echo(f"{output} does not exempt {one['collectionGroup']}.{one['fieldPath']} from indexing", err=True)
        if lacking or unexempted:
            raise typer.Exit(1)
        return
    try:
        output.write_text(json.dumps(with_config(existing, config), indent=2) + "\n")
    except OSError as error:
        raise SettingsError(f"{output} cannot be written: {error.strerror}") from None
    typer.echo(f"{output}: {len(lacking)} indexes and {len(unexempted)} exempt fields added, {_kept(existing)} kept")
    if len(config.indexes) > MOST_INDEXES:
        typer.echo(
            f"{len(config.indexes)} indexes: a database without billing has at most {MOST_INDEXES}, and each costs at every "
            "write: try a smaller --depth, or fewer filterable fields",
            err=True,
        )


def _config(served: App, depth: int | None, operations: Sequence[RecordedOperation] | None) -> IndexConfig:
    if depth is not None:
        return index_config(served.catalog, served.schema, depth, operations)
    config = index_config(served.catalog, served.schema, 2, operations)
    return config if len(config.indexes) <= MOST_INDEXES else index_config(served.catalog, served.schema, 1, operations)


def _read(file: Path) -> Mapping[str, Any]:
    """What the file has. Raises SettingsError where it is no index configuration."""
    if not file.exists():
        return {}
    try:
        existing = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(f"{file} cannot be read: {reason}") from None
    lists = [existing.get("indexes", []), existing.get("fieldOverrides", [])] if isinstance(existing, dict) else [None]
    if not all(isinstance(one, list) and all(isinstance(entry, dict) for entry in one) for one in lists):
        raise SettingsError(f"{file} is no index configuration: it has lists named indexes and fieldOverrides")
    assert isinstance(existing, dict)
    return existing


def _kept(existing: Mapping[str, Any]) -> int:
    return len(existing.get("indexes") or ()) + len(existing.get("fieldOverrides") or ())


def _text(index: Mapping[str, Any]) -> str:
    fields = ", ".join(f"{one['fieldPath']} {one.get('order') or one.get('arrayConfig')}" for one in index["fields"])
    return f"{index['collectionGroup']} ({fields})"
