"""``bff rules``: Firestore security rules for an app's views."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bff.commands.loading import AppPath, load_app
from bff.errors import SettingsError
from bff.rules.security_rules import Claims, security_rules, with_rules

__all__ = ["rules"]

NONE = "none"


def rules(
    app: AppPath,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write; what it has already stays.")] = Path(
        "firestore.rules"
    ),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit with 1 where the file says otherwise.")] = False,
    tenant: Annotated[str, typer.Option("--tenant-claim", help=f"Where a token names the tenant; {NONE!r} for nowhere.")] = (
        "firebase.tenant"
    ),
    groups: Annotated[str, typer.Option("--groups-claim", help=f"Where a token lists the groups; {NONE!r} for nowhere.")] = (
        "groups"
    ),
) -> None:
    """Write the Firestore security rules that open each view to its readers, for firebase deploy --only firestore:rules."""
    catalog = load_app(app).catalog
    claims = Claims(None if tenant == NONE else tenant, None if groups == NONE else groups)
    try:
        existing = output.read_text(encoding="utf-8") if output.exists() else None
        written = security_rules(catalog, claims) if existing is None else with_rules(existing, catalog, claims)
        if check:
            if existing != written:
                typer.echo(f"{output} does not say what the views declare; run bff rules", err=True)
                raise typer.Exit(1)
            return
        output.write_text(written, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{output}: {error.strerror if isinstance(error, OSError) else error}") from None
    except SettingsError as error:
        raise SettingsError(f"{output}: {error}") from None
    typer.echo(f"{output}: rules of {len(catalog.views)} views; domain documents are closed unless rules of yours open them")
