"""Resolvers written by hand that ask for the Principal by a parameter."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container
from typing import Any

from bff.errors import DeclarationError
from bff.principal import Principal

__all__ = ["principal_parameter"]

_WRITTEN = frozenset({"Principal", "bff.Principal", "principal.Principal", "bff.principal.Principal"})
"""How the annotation reads where annotations are not evaluated."""


def principal_parameter(resolve: Callable[..., Any], arguments: Container[str]) -> str | None:
    """The name of the parameter that is annotated ``Principal``; None where there is none.

    Raises DeclarationError where there are two, or where it is the name of an argument: nobody could tell which is meant, and
    what a client gives must never pass for who it is.
    """
    try:
        parameters = inspect.signature(resolve).parameters.values()
    except (TypeError, ValueError):
        return None
    found = [one for one in parameters if one.annotation is Principal or one.annotation in _WRITTEN]
    if not found:
        return None
    where = getattr(resolve, "__qualname__", repr(resolve))
    if len(found) > 1:
        raise DeclarationError(where, f"{found[0].name} and {found[1].name} are both the Principal; keep one")
    parameter = found[0]
    if parameter.kind not in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
        raise DeclarationError(where, f"the Principal is passed by name; let {parameter.name} be a plain parameter")
    if parameter.name in arguments:
        raise DeclarationError(where, f"{parameter.name} is an argument of the field, and the Principal; rename one of them")
    return parameter.name
