"""``bff persist``."""

from __future__ import annotations

from glob import glob
from pathlib import Path
from typing import Annotated

import typer

from bff.commands.loading import AppPath, load_app
from bff.contract.client_documents import client_documents
from bff.errors import SettingsError
from bff.serving.manifest import dump_manifest

__all__ = ["persist"]


def persist(
    app: AppPath,
    patterns: Annotated[
        list[str], typer.Argument(metavar="FILES...", help="A client's .graphql files, or patterns: 'src/**/*.graphql'.")
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file to write instead of standard output.")] = None,
    typename: Annotated[
        bool, typer.Option("--typename", help="Add __typename to every selection, as Apollo Client does before it sends.")
    ] = False,
) -> None:
    """Write the manifest of a client's operations: what trusted_documents names."""
    schema = load_app(app).schema
    paths: dict[Path, Path] = {}
    for pattern in patterns:
        # A shell has expanded it perhaps: then it is a path, which may have brackets (src/routes/[id]/query.graphql).
        named = [pattern] if Path(pattern).is_file() else sorted(glob(pattern, recursive=True))
        found = [Path(path) for path in named if Path(path).is_file()]
        if not found:
            raise SettingsError(f"no file is called {pattern}")
        for path in found:
            paths.setdefault(path.resolve(), path)
    documents = client_documents(schema, paths.values(), typename=typename)
    if not documents:
        raise SettingsError(f"there is no operation in {', '.join(map(str, paths.values()))}")
    manifest = dump_manifest(documents)
    if output is None:
        typer.echo(manifest.decode(), nl=False)
        return
    try:
        output.write_bytes(manifest)
    except OSError as error:
        raise SettingsError(f"{output} cannot be written: {error.strerror}") from None
    typer.echo(f"{output}: {len(documents)} operation{'s' if len(documents) > 1 else ''} of {len(paths)} files", err=True)
