"""Builds views while no projector of their code is deployed yet."""

from __future__ import annotations

from dataclasses import replace

from bff.datastore.port import Datastore
from bff.model.catalog import Catalog
from bff.model.view_model import ViewModel
from bff.projection.projector import Projector
from bff.projection.rebuild import OnProgress, RebuildProgress, rebuild
from bff.projection.rebuild_place import RebuildPlace
from bff.projection.standing import Standings

__all__ = ["Ahead"]


class Ahead:
    """Rebuilds, for whoever is about to deploy. One that was interrupted goes on where it was."""

    def __init__(self, datastore: Datastore, catalog: Catalog, on_progress: OnProgress = lambda progress: None) -> None:
        self._datastore = datastore
        self._catalog = catalog
        self._on_progress = on_progress

    async def rebuild(self, view: type[ViewModel]) -> RebuildProgress:
        """Build everything of the view. In a storage beside the current one, it is followed until everything is in it that has
        changed meanwhile; nobody reads it yet, and a projector of its code goes on from there and switches to it.

        Raises DatastoreUnavailable.
        """
        [standing] = await Standings(self._datastore).of([view])
        if view.__view__.beside and (standing.current is None or standing.current.name != view.__view__.storage):
            return await self._beside(view)
        [done] = await rebuild(self._datastore, [view], resume=True, on_progress=self._on_progress)
        if view.__view__.beside:
            await RebuildPlace.clear(self._datastore, view)
        return done

    async def _beside(self, view: type[ViewModel]) -> RebuildProgress:
        done = RebuildProgress(view.__view__.name, complete=True)

        def told(progress: RebuildProgress) -> None:
            nonlocal done
            done = progress
            self._on_progress(progress)

        alone = replace(self._catalog, views={view.__view__.name: view})
        async with Projector(self._datastore, alone, switches=False, on_rebuild=told) as projector:
            await projector.wait_rebuilt(None)
        return done
