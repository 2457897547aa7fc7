"""View keys: the id of a view's root document, or those of its roots joined with ``:``."""

from __future__ import annotations

from collections.abc import Sequence

from bff.document import check_id
from bff.errors import BadUserInput

__all__ = ["join_key", "split_key"]


def join_key(ids: Sequence[str]) -> str:
    """``["m1"]`` → ``m1``; ``["m1", "a:b"]`` → ``m1:a%3Ab``. Raises BadUserInput where one is no document id."""
    if len(ids) == 1:
        return check_id(ids[0])
    return check_id(":".join(check_id(id).replace("%", "%25").replace(":", "%3A") for id in ids))


def split_key(key: str, roots: int, view: str) -> tuple[str, ...]:
    """The ids that a key of a view with so many roots is made of. Raises BadUserInput where it is no such key."""
    check_id(key)
    if roots == 1:
        return (key,)
    parts = tuple(part.replace("%3A", ":").replace("%25", "%") for part in key.split(":"))
    # One view has one key: other ways of writing it are no keys.
    if len(parts) != roots or not all(parts) or join_key(parts) != key:
        raise BadUserInput(f"{key!r} is no id of a {view}: it takes {roots} document ids joined with ':'")
    return parts
