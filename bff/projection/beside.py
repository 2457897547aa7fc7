"""Builds the storage of the present code beside those of other code, and has it switched to once it is complete."""

from __future__ import annotations

from bff.datastore.port import Datastore
from bff.model.view_model import ViewModel
from bff.projection.builder import Builder
from bff.projection.follower import Follower
from bff.projection.rebuild import OnProgress, rebuild
from bff.projection.rebuild_place import RebuildPlace
from bff.projection.standing import Standings

__all__ = ["build_beside"]


async def build_beside(
    datastore: Datastore,
    view: type[ViewModel],
    follower: Follower,
    builder: Builder,
    *,
    switch: bool,
    on_progress: OnProgress = lambda progress: None,
) -> None:
    """Build what is not built, wait until ``follower`` has worked off everything that has changed since, and ``switch``.

    A storage that was complete once, and that followers of the same definition have kept up until one of them saved its
    checkpoint, is complete again once this one has caught up from there. Any other is built throughout: nobody knows what has
    changed since what stands in it was built. Raises DatastoreUnavailable.
    """
    standings, storage = Standings(datastore), view.__view__.storage
    [standing] = await standings.of([view])
    own, kept = standing.find(storage), storage in follower.kept
    if own is None or not own.complete or not kept:
        await standings.begin(view)
        if not kept:
            await RebuildPlace.clear(datastore, view)
        # From the beginning, the follower has just built everything.
        force = not follower.from_beginning
        await rebuild(datastore, [view], builder=builder, on_progress=on_progress, force=force, resume=True)
    elif standing.current is own:
        return
    await follower.wait_for(await datastore.ping())
    await builder.flush()
    if switch:
        await standings.switch(view)
    else:
        await standings.complete(view)
    await RebuildPlace.clear(datastore, view)
