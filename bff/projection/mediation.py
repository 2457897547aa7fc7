"""Runs what Mediators do when documents change."""

from __future__ import annotations

import asyncio
from types import TracebackType

from bff.datastore.port import Datastore
from bff.model.catalog import Catalog
from bff.projection.forms import Forms
from bff.projection.handling import Handling, HandlingOptions
from bff.projection.status import WorkStatus
from bff.projection.triggers import Triggers
from bff.together import to_the_end
from bff.types import Timepoint

__all__ = ["Mediation", "handlings"]


def handlings(datastore: Datastore, catalog: Catalog, options: HandlingOptions) -> list[Handling]:
    """What handles documents in an app, not started."""
    triggers = [Triggers(datastore, mediator, options) for mediator in catalog.mediators if mediator.__mediator__.sources]
    return [*triggers, *(Forms(datastore, form, options) for form in catalog.forms)]


class Mediation:
    """Calls the triggers of every Mediator that has sources, until it is closed.

    A trigger takes effect exactly once for each version of a document that it is called for, whatever crashes: what it writes and
    the note that the version is handled are one commit. Versions that follow each other faster than they are handled count as
    one, the newest; what a trigger itself writes to the document that it was called for calls it no more. At the first start of a
    mediator the documents that are there already are created ones.

    A trigger that raises, or takes more than ``options.seconds``, is tried again with backoff, and holds up no other. After
    ``options.attempts`` attempts at one version of a document that version is set aside: it is tried again when the document
    changes, or when somebody asks for it (``bff dead retry``).
    """

    def __init__(self, datastore: Datastore, catalog: Catalog, options: HandlingOptions | None = None) -> None:
        self._handlings = handlings(datastore, catalog, options or HandlingOptions())

    async def __aenter__(self) -> Mediation:
        for handling in self._handlings:
            handling.follower.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await to_the_end(*(handling.follower.close() for handling in self._handlings))

    def status(self) -> tuple[WorkStatus, ...]:
        return tuple(handling.status() for handling in self._handlings)

    async def wait_for(self, timepoint: Timepoint, timeout: float = 30.0) -> None:
        """Wait until every change up to the timepoint is handled, or its failure is noted. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            for handling in self._handlings:
                await handling.follower.wait_for(timepoint)
