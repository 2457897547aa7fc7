"""Annotations as types: what a class or a function was annotated with, forward references resolved."""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["Scope", "Unresolved", "local_names", "nearest", "resolve", "resolve_function", "subclasses"]

Scope = Mapping[str, Any]
"""Names that an annotation may use beyond its module's: the locals of the function a class is declared in, and the like."""


class Unresolved(Exception):
    """An annotation uses a name that is not known (yet)."""

    def __init__(self, annotation: object, name: str) -> None:
        super().__init__(f"{annotation!r} uses the name {name!r}, which is not defined")
        self.annotation = annotation
        self.name = name


def local_names(frame: types.FrameType) -> dict[str, Any]:
    """The types that are local to a frame, where it is a function's: what annotations within it may name."""
    if frame.f_code.co_name == "<module>":
        return {}
    return {
        name: value for name, value in frame.f_locals.items() if isinstance(value, type | types.GenericAlias | types.UnionType)
    }


def subclasses(root: type) -> list[type]:
    """Every subclass, nearer ones first, each once, in the order of their declaration."""
    found: dict[type, None] = {}
    level: list[type] = [root]
    while level:
        children: list[type] = []
        for parent in level:
            children += type.__subclasses__(parent)
        level = [child for child in dict.fromkeys(children) if child not in found]
        found.update(dict.fromkeys(level))
    return list(found)


def nearest(candidates: Iterable[type], name: str, owner: Any) -> type | None:
    """The class of that name which the owner can mean, or None where there is none or no telling.

    Of several, one declared in the same function comes first, then one in the same module, then in the same package, and so on
    outwards; of one that was declared several times, the latest. Classes that are imported under TYPE_CHECKING only are found
    like this.
    """
    ranked: dict[int, dict[tuple[str, str], type]] = {}
    for candidate in candidates:
        if candidate.__name__ == name:
            places = ranked.setdefault(_shared(candidate, owner), {})
            places[candidate.__module__, candidate.__qualname__] = candidate
    if not ranked:
        return None
    best = ranked[max(ranked)].values()
    return next(iter(best)) if len(best) == 1 else None


def _shared(candidate: type, owner: Any) -> int:
    """How many packages, modules and scopes two classes are in together."""
    shared = 0
    for one, other in zip(_place(candidate), _place(owner), strict=False):
        if one != other:
            break
        shared += 1
    return shared


def _place(declared: Any) -> list[str]:
    return [*declared.__module__.split("."), "", *declared.__qualname__.split(".")[:-1]]


def resolve(annotation: Any, module: str, scope: Scope, fallback: Callable[[str], Any | None] = lambda name: None) -> Any:
    """The type that an annotation means: names are looked up in ``scope``, then in the module, then by ``fallback``.

    Raises Unresolved, and whatever evaluating the annotation raises.
    """
    names = dict(scope)
    # A class: annotations of one may be ClassVar and Final, those of a function may not.
    holder = type("holder", (), {"__annotations__": {"it": annotation}})
    module_names = vars(sys.modules[module]) if module in sys.modules else {}
    while True:
        try:
            return typing.get_type_hints(holder, globalns=module_names, localns=names, include_extras=True)["it"]
        except NameError as error:
            missing = error.name or str(error)
            found = fallback(missing)
            if found is None or names.get(missing) is found:
                raise Unresolved(annotation, missing) from None
            names[missing] = found


def resolve_function(
    function: Callable[..., Any], scope: Scope, fallback: Callable[[str], Any | None] = lambda name: None
) -> dict[str, Any]:
    """A function's annotations as types, ``return`` included. Raises Unresolved."""
    annotations = getattr(function, "__annotations__", {})
    closure = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    cells = {name: cell.cell_contents for name, cell in closure.items() if _filled(cell)}
    return {
        name: resolve(annotation, function.__module__, {**cells, **scope}, fallback) for name, annotation in annotations.items()
    }


def _filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
