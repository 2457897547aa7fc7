"""What all declared classes share: they are found by name, and they know the names that surround them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

from bff.errors import DeclarationError
from bff.model.hints import Scope, nearest, subclasses

__all__ = ["Declared", "Kind", "check_name", "kind_of", "known_subclasses", "named", "unknown"]

Kind = Literal["document", "view", "store", "mediator", "form"]

_GRAPHQL_NAME = re.compile(r"[A-Za-z][_0-9A-Za-z]*")


class Declared:
    """The base of DomainModel, ViewModel, Store and Mediator."""

    __slots__ = ()

    __bff_kind__: ClassVar[Kind]
    __bff_scope__: ClassVar[Scope] = {}
    __bff_declared__: ClassVar[bool] = False


def kind_of(annotation: object) -> Kind | None:
    """What kind of declared class it is, if it is one."""
    if not isinstance(annotation, type) or not issubclass(annotation, Declared):
        return None
    return getattr(annotation, "__bff_kind__", None)


def known_subclasses(root: type[Declared]) -> list[type[Declared]]:
    """Every subclass whose declaration succeeded: one that was refused stays in memory as long as its traceback does."""
    return [child for child in subclasses(root) if vars(child).get("__bff_declared__")]


def named(owner: type[Declared], names: Mapping[str, type] | None = None) -> Callable[[str], type | None]:
    """Finds the class that an annotation of ``owner`` means: among ``names``, else the declared class nearest to the owner."""

    def find(name: str) -> type | None:
        if names is not None and name in names:
            return names[name]
        return nearest(known_subclasses(Declared), name, owner)

    return find


def check_name(where: str, name: str) -> str:
    """The name, if GraphQL can have it. Raises DeclarationError."""
    if name.startswith("__"):
        raise DeclarationError(where, f"names that begin with two underscores are reserved by GraphQL; rename {name!r}")
    if name.startswith("_"):
        raise DeclarationError(where, f"{name!r} begins with an underscore, which is for what clients cannot see; rename it")
    if not _GRAPHQL_NAME.fullmatch(name):
        raise DeclarationError(where, f"{name!r} is no GraphQL name: those are of the letters a-z, digits and _; rename it")
    return name


def unknown(where: str, error: Any) -> DeclarationError:
    """What to say of a name that is still unknown when it is needed."""
    return DeclarationError(
        where,
        f"{error}; import it, spell it as its class is, or name the class in the App "
        "(of several classes with one name, only one declared in the same module is found)",
    )
