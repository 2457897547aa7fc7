"""Several clients of one database: in one process here, but they share nothing but the database."""

from __future__ import annotations

import asyncio

from bff.datastore.port import Datastore, Delete, Merge, Set, Target
from bff.testing.datastore_case import DatastoreCase, Follower, NewDatastore, data_of
from bff.testing.datastore_conditions import increment

__all__ = ["ClientsConformance"]

USERS = Target("users")


class ClientsConformance(DatastoreCase):
    async def test_two_clients_of_a_database_count_together(self, datastore: Datastore, new_datastore: NewDatastore) -> None:
        async with new_datastore() as other:

            async def worker(client: Datastore) -> None:
                for _ in range(10):
                    await increment(client, "counters/c")

            await asyncio.gather(*(worker(client) for client in (datastore, other) for _ in range(2)))
            assert await data_of(datastore, "counters/c") == await data_of(other, "counters/c") == {"count": 40}

    async def test_another_client_resumes_from_the_same_point(self, datastore: Datastore, new_datastore: NewDatastore) -> None:
        await datastore.commit([Set("users/a", {"n": 1}), Set("users/b", {"n": 1})])
        async with new_datastore() as first, first.listen([USERS]) as listening:
            follower = Follower(listening)
            await follower.until(await datastore.ping())
        commit = await datastore.commit([Delete("users/a"), Merge("users/b", {"n": 2})])
        async with new_datastore() as second, second.listen([USERS], follower.resume) as listening:
            resumed = Follower(listening)
            resumed.documents = dict(follower.documents)
            await resumed.until(commit.timepoint)
        assert resumed.present() == {"users/b": {"n": 2}}

    async def test_changes_by_another_client_come(self, datastore: Datastore, new_datastore: NewDatastore) -> None:
        async with new_datastore() as other, datastore.listen([USERS]) as listening:
            follower = Follower(listening)
            await follower.step()
            for n in range(10):
                commit = await other.commit([Set("users/a", {"n": n})])
                await follower.until(commit.timepoint)
                assert follower.present() == {"users/a": {"n": n}}

    async def test_timepoints_of_two_clients_are_in_the_order_of_their_commits(
        self, datastore: Datastore, new_datastore: NewDatastore
    ) -> None:
        async with new_datastore() as other:
            timepoints = []
            for n in range(10):
                client = datastore if n % 2 else other
                timepoints.append((await client.commit([Set("users/a", {"n": n})])).timepoint)
        assert timepoints == sorted(set(timepoints))
