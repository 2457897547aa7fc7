"""How graphql-codegen is to write an app's types for TypeScript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from graphql import GraphQLSchema, is_scalar_type, is_specified_scalar_type

from bff.errors import SettingsError

__all__ = ["codegen_config", "scalar_types"]

# What each scalar is as JSON, as ``bff.schema.scalars`` writes and reads it.
_TEXT: Final = {"input": "string", "output": "string"}
_SCALARS: Final[Mapping[str, Mapping[str, str]]] = {
    "ID": {"input": "string", "output": "string"},
    "DateTime": _TEXT,
    "Date": _TEXT,
    "Time": _TEXT,
    "Duration": _TEXT,
    "UUID": _TEXT,
    "Bytes": _TEXT,
    "Decimal": {"input": "string | number", "output": "string"},
    "BigInt": {"input": "number | string", "output": "number | string"},
    "JSON": {"input": "unknown", "output": "unknown"},
}


def scalar_types(schema: GraphQLSchema, given: Sequence[str] = ()) -> dict[str, Mapping[str, str]]:
    """The TypeScript type of each scalar of a schema. ``given`` are ``NAME=TYPE``, for scalars of the app's own.

    A scalar of which nothing is known is ``unknown``, never ``any``. Raises SettingsError where a name is no scalar.
    """
    names = [name for name, one in schema.type_map.items() if is_scalar_type(one)]
    types: dict[str, Mapping[str, str]] = {
        name: _SCALARS.get(name, {"input": "unknown", "output": "unknown"})
        for name in names
        if name in _SCALARS or not is_specified_scalar_type(schema.type_map[name])
    }
    for text in given:
        name, equals, type_ = (part.strip() for part in text.partition("="))
        if not equals or not type_:
            raise SettingsError(f"--scalar {text}: give a name and a type, e.g. --scalar Money=string")
        if name not in names:
            raise SettingsError(f"--scalar {text}: the schema has no scalar {name!r}; there are {', '.join(sorted(names))}")
        types[name] = {"input": type_, "output": type_}
    return types


def codegen_config(
    schema: Path, documents: Sequence[str], output: str, scalars: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """A configuration of graphql-codegen: the client preset, which writes typed document nodes.

    https://the-guild.dev/graphql/codegen/plugins/presets/preset-client
    """
    folder = output if output.endswith("/") else f"{output}/"
    return {
        "schema": str(schema),
        # What it writes is no place to look for documents.
        "documents": [*documents, f"!{folder}**/*"],
        "generates": {
            folder: {
                "preset": "client",
                "presetConfig": {"fragmentMasking": False},
                "config": {
                    "scalars": {name: dict(types) for name, types in scalars.items()},
                    "strictScalars": True,
                    "useTypeImports": True,
                    "enumsAsTypes": True,
                },
            }
        },
    }
