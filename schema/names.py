"""The names of the schema's types: each once, with what it stands for."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import Final

from bff.errors import DeclarationError

__all__ = ["TypeNames", "check_name", "describe_class", "description_of"]

_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")

RESERVED: Final = ("Query", "Mutation", "Subscription", "View", "Node", "PageInfo", "OrderDirection", "ChangeKind")
BUILT_IN: Final = ("String", "Int", "Float", "Boolean", "ID")


@dataclass(slots=True)
class TypeNames:
    """Who has which name."""

    _owners: dict[str, tuple[object, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in BUILT_IN:
            self._owners[name] = (name, "a scalar of GraphQL")
        for name in RESERVED:
            self._owners[name] = (name, "a type of bff's own")

    def claim(self, name: str, owner: object, what: str) -> str:
        """The name, for ``owner`` from now on. Raises DeclarationError where it is no name, or where another has it."""
        check_name(name, what)
        held = self._owners.setdefault(name, (owner, what))
        if held[0] is not owner and held[0] != owner:
            raise DeclarationError(
                what, f"its GraphQL type would be named {name}, which is the name of {held[1]} already: rename one of them"
            )
        return name


def check_name(name: str, where: str) -> str:
    """The name, if GraphQL allows it (https://spec.graphql.org/October2021/#sec-Names). Raises DeclarationError."""
    if _NAME.fullmatch(name) is None:
        raise DeclarationError(where, f"{name!r} is not a GraphQL name: letters, digits and underscores, no digit first")
    if name.startswith("__"):
        raise DeclarationError(where, f"{name!r}: GraphQL keeps names with two leading underscores for itself")
    return name


def describe_class(owner: type) -> str:
    """Where a class is to be found: ``views.Attendee``."""
    return f"{owner.__module__}.{owner.__qualname__}"


def description_of(owner: type) -> str | None:
    """The class's own docstring: an inherited one describes another."""
    text = owner.__dict__.get("__doc__")
    return inspect.cleandoc(text) if text else None
