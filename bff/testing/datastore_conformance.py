"""What every datastore must do, as tests. A new adapter inherits all of them::

    pytestmark = pytest.mark.anyio

    class TestMyDatastore(DatastoreConformance):
        @pytest.fixture
        def new_datastore(self) -> Callable[[], Datastore]:
            return lambda: MyDatastore("…")

``new_datastore`` makes a datastore that is not open yet, on a database that is empty and the test's own; called again
within a test, another client of the same database. They need pytest with anyio's plugin, and Hypothesis.
"""

from __future__ import annotations

from bff.testing.datastore_clients import ClientsConformance
from bff.testing.datastore_conditions import ConditionsConformance
from bff.testing.datastore_listening import ListeningConformance
from bff.testing.datastore_queries import QueryConformance
from bff.testing.datastore_reading import ReadingConformance
from bff.testing.datastore_writing import WritingConformance

__all__ = ["DatastoreConformance"]


class DatastoreConformance(
    ReadingConformance,
    QueryConformance,
    WritingConformance,
    ConditionsConformance,
    ListeningConformance,
    ClientsConformance,
):
    """Reads, queries, commits, listeners, and several clients."""
