"""Both datastores pass the conformance suite, and so does SQLite in memory."""

from __future__ import annotations

import pytest

from bff.datastore.connect import open_datastore
from bff.testing.datastore_case import NewDatastore
from bff.testing.datastore_conditions import ConditionsConformance
from bff.testing.datastore_conformance import DatastoreConformance
from bff.testing.datastore_listening import ListeningConformance
from bff.testing.datastore_queries import QueryConformance
from bff.testing.datastore_reading import ReadingConformance
from bff.testing.datastore_writing import WritingConformance


class TestConformance(DatastoreConformance):
    @pytest.fixture
    def new_datastore(self, datastore_url: str) -> NewDatastore:
        return lambda: open_datastore(datastore_url)


class TestMemory(ReadingConformance, QueryConformance, WritingConformance, ConditionsConformance, ListeningConformance):
    """All but several clients of one database: a database in memory is its only client's."""

    @pytest.fixture
    def new_datastore(self) -> NewDatastore:
        return lambda: open_datastore("sqlite://")


class TestTakenApart(ReadingConformance, QueryConformance):
    """SQLite where every document, however small, is taken apart for a mask."""

    @pytest.fixture
    def new_datastore(self, monkeypatch: pytest.MonkeyPatch) -> NewDatastore:
        monkeypatch.setattr("bff.datastore.sqlite.part.SMALL_BYTES", 0)
        return lambda: open_datastore("sqlite://")
