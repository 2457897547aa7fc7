"""The schema that another one is compared with: from a file, or as it is in git."""

from __future__ import annotations

import subprocess
from pathlib import Path

from graphql import GraphQLError, GraphQLSchema, build_schema, print_schema

from bff.errors import SettingsError

__all__ = ["read_baseline", "settled"]

GIT = "git:"
GIT_SECONDS = 30


def read_baseline(place: str) -> GraphQLSchema:
    """The schema of the SDL at ``schema.graphql``, or at ``git:REF:PATH``, where the path is as ``git show`` has it.

    Raises SettingsError where there is none, or what is there is no valid schema.
    """
    return _built(place, _from_git(place) if place.startswith(GIT) else _from_file(place))


def settled(schema: GraphQLSchema) -> GraphQLSchema:
    """A schema as its own SDL has it: what it says of types and defaults is of one form with what a file says."""
    return _built("the app's schema", print_schema(schema))


def _built(place: str, sdl: str) -> GraphQLSchema:
    try:
        schema = build_schema(sdl)
    except GraphQLError as error:
        line, column = error.locations[0] if error.locations else (1, 1)
        raise SettingsError(f"{place} is no schema in SDL: {error.message} ({line}:{column})") from None
    except TypeError as error:
        # Everything that is wrong with its types, a paragraph each.
        raise SettingsError(f"{place} is no schema in SDL: {' '.join(str(error).split())}") from None
    # A file of operations, or of a part of a schema, would otherwise be one since which nothing has changed for the worse.
    if schema.query_type is None:
        raise SettingsError(f"{place} is no schema in SDL: it has no query type")
    return schema


def _from_file(place: str) -> str:
    try:
        return Path(place).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"{place} cannot be read: {reason}") from None


def _from_git(place: str) -> str:
    ref, colon, path = place.removeprefix(GIT).partition(":")
    if not (ref and colon and path) or ref.startswith("-"):
        raise SettingsError(f"{place!r}: name a file in git as git:REF:PATH, e.g. git:main:schema.graphql")
    try:
        shown = subprocess.run(
            ["git", "show", f"{ref}:{path}"], capture_output=True, timeout=GIT_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise SettingsError(f"{place}: git is not installed") from None
    except subprocess.TimeoutExpired:
        raise SettingsError(f"{place}: git did not answer within {GIT_SECONDS} seconds") from None
    if shown.returncode != 0:
        reason, *_hints = shown.stderr.decode(errors="replace").strip().splitlines() or ["git show failed"]
        raise SettingsError(f"{place}: {reason}")
    try:
        return shown.stdout.decode()
    except UnicodeDecodeError:
        raise SettingsError(f"{place} cannot be read: it is not UTF-8") from None
