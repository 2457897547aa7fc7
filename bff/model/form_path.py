"""Where the documents of a form are: ``users/{uid}/cityForms/{id}``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bff.document import check_id
from bff.errors import BadUserInput, DeclarationError

__all__ = ["FormPath"]

_PARAMETER = re.compile(r"\{([a-z][a-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class FormPath:
    """A pattern of document paths. Collections are named, ids are named or parameters, the last id is one."""

    pattern: str
    segments: tuple[str, ...]
    parameters: tuple[str, ...]

    @classmethod
    def of(cls, where: str, pattern: object) -> FormPath:
        """Raises DeclarationError."""
        if not isinstance(pattern, str):
            raise DeclarationError(where, 'a Form says where its documents are: path="users/{uid}/cityForms/{id}"')
        segments = tuple(pattern.split("/"))
        if len(segments) % 2 or not all(segments):
            raise DeclarationError(
                where, f"path={pattern!r} is no document's: it is collection/id, or collection/id/collection/id …"
            )
        parameters: list[str] = []
        for number, segment in enumerate(segments):
            found = _PARAMETER.fullmatch(segment)
            if found is not None and number % 2:
                parameters.append(found[1])
                continue
            try:
                plain = check_id(segment)
            except BadUserInput as error:
                raise DeclarationError(where, f"path={pattern!r}: {error}") from None
            if "{" in plain or "}" in plain:
                raise DeclarationError(where, f"path={pattern!r}: a collection has a name, and a parameter is {{snake_case}}")
        if not parameters or _PARAMETER.fullmatch(segments[-1]) is None:
            raise DeclarationError(where, f"path={pattern!r} is one document; end it with /{{id}}")
        if len(set(parameters)) < len(parameters):
            raise DeclarationError(where, f"path={pattern!r} names a parameter twice; rename one")
        return cls(pattern, segments, tuple(parameters))

    @property
    def collection(self) -> str | None:
        """The collection, where there is only one."""
        return None if any(segment.startswith("{") for segment in self.segments[:-1]) else "/".join(self.segments[:-1])

    @property
    def group(self) -> str:
        """The last collection's own name."""
        return self.segments[-2]

    def overlaps(self, other: FormPath) -> bool:
        """Whether a document can be of both."""
        return len(self.segments) == len(other.segments) and all(
            one == another or one.startswith("{") or another.startswith("{")
            for one, another in zip(self.segments, other.segments, strict=True)
        )

    def match(self, path: str) -> Mapping[str, str] | None:
        """The parameters of a path; None for any other path."""
        segments = path.split("/")
        if len(segments) != len(self.segments):
            return None
        found: dict[str, str] = {}
        for declared, given in zip(self.segments, segments, strict=True):
            if declared.startswith("{"):
                found[declared[1:-1]] = given
            elif declared != given:
                return None
        return found
