"""The version of what a subscription by id has shown: of the view, and of the views that its links led to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bff.errors import BadUserInput
from bff.resolvers.reads import ViewId
from bff.types import Timepoint

__all__ = ["ShownVersion"]

_GONE: Final = "gone"
_TEXT = re.compile(r"(?P<root>[0-9]{1,18})(?:-(?P<links>[0-9a-f]{24}|gone))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ShownVersion:
    """``root`` is the view's version; ``links`` is the same text for the same versions of the same linked views, empty without.

    As text, which clients take for opaque: ``1767225600000000``, which is the view's field ``version`` as well,
    ``1767225600000000-9a0364b9e99bb480dd25e1f0``, or ``1767225600000000-gone`` where there is no view, ``0-gone`` where it is not
    told since when.
    """

    root: Timepoint
    links: str = ""

    @classmethod
    def of(cls, root: Timepoint, linked: Mapping[ViewId, Timepoint]) -> ShownVersion:
        """The version of a view shown together with these."""
        if not linked:
            return cls(root)
        digest = hashlib.blake2s(digest_size=12)
        for (view, key), version in sorted(linked.items()):
            # The length stands first: no two lists of views are the same bytes.
            digest.update(f"{len(view)}:{view}{len(key)}:{key}{version};".encode())
        return cls(root, digest.hexdigest())

    @classmethod
    def gone(cls, root: Timepoint) -> ShownVersion:
        """The version of there being no view."""
        return cls(root, _GONE)

    @classmethod
    def parse(cls, text: str) -> ShownVersion:
        """What a client sends back. Raises BadUserInput where it is no such version."""
        found = _TEXT.fullmatch(text)
        if found is None:
            where: list[str | int] = ["extensions", "bff", "since"]
            raise BadUserInput("extensions.bff.since is not the version of a view, as an answer gave it", where)
        return cls(int(found["root"]), found["links"] or "")

    def is_news_to(self, held: ShownVersion) -> bool:
        """Whether who holds that version is to be shown this one: a newer state of the view, or other states beside it."""
        if self.links == held.links == _GONE:
            return False  # A view that never was is absent as of whenever it is read.
        if self.links == _GONE and not self.root:
            return True  # Whoever may not see a view is told that there is none, not since when.
        # An older state of the view is never news, whatever is shown beside it.
        return self.root > held.root or (self.root == held.root and self.links != held.links)

    def __str__(self) -> str:
        return f"{self.root}-{self.links}" if self.links else str(self.root)
