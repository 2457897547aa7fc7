"""Builds views to look at them: from scratch, with the present code, and nothing is written."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from bff.datastore.port import Datastore
from bff.model.view_model import ViewModel
from bff.projection.build import Build, prepare

__all__ = ["Drafts"]

AT_ONCE = 64
DOCUMENTS = 4_000
FIRST = 16


class Drafts:
    """Of one view. So many are built at a time that what they read is some thousands of documents."""

    def __init__(self, datastore: Datastore, view: type[ViewModel]) -> None:
        self._datastore = datastore
        self._view = view
        self._largest = DOCUMENTS // FIRST

    async def of(self, keys: Sequence[str]) -> AsyncGenerator[list[Build], None]:
        """The builds of these keys, in their order, some at a time, each time of one timepoint. None takes over a stored field.

        Raises BadUserInput where a key cannot be one, DatastoreUnavailable.
        """
        start = 0
        while start < len(keys):
            some = keys[start : start + max(1, min(AT_ONCE, DOCUMENTS // self._largest))]
            builds = await prepare(self._datastore, self._view, some, anew=True)
            self._largest = max(1, *(len(build.dependencies.documents) for build in builds))
            start += len(some)
            yield builds
