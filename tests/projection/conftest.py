"""An open datastore, empty, once on each adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bff.datastore.connect import open_datastore
from bff.datastore.port import Datastore
from tests.projection.support import EVALUATIONS


@pytest.fixture
async def datastore(datastore_url: str) -> AsyncIterator[Datastore]:
    EVALUATIONS.clear()
    async with open_datastore(datastore_url) as opened:
        yield opened
