"""Whatever is stored in a field, a plan shows what graphql-core does, to the byte, or leaves it to graphql-core."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bff.datastore.port import Set
from bff.types import GeoPoint
from tests.resolvers.plan_views import ToolPage
from tests.resolvers.planned import Workshop, ask, operation_of, workshop

pytestmark = [
    pytest.mark.anyio,
    # graphql-core does not await what is beside an error.
    pytest.mark.filterwarnings("ignore:coroutine 'ExecutionContext:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SELECTED = {
    "place": "{ latitude longitude }",
    "places": "{ latitude __typename }",
    "board": "{ wood cutAt screws { length note } point { longitude } }",
    "parts": "{ __typename ... on Plank { wood screws { note } } ... on Screw { length } }",
    "part": "{ __typename ... on Plank { cutAt } }",
    "maker": "{ name tools { id } }",
    "gone": "{ id }",
    "about": "{ __typename ... on MakerPage { name } ... on ToolPage { number } }",
    "others": "{ ... on View { id version } }",
    "owner": "{ since page { name } tools { id } }",
    "owned": "{ __typename ... on Owner { page { name } } ... on Nobody { reason } }",
}
PLANK = {"wood": "oak", "screws": [{"length": 1, "note": None}], "cutAt": None, "point": GeoPoint(1.0, 2.0)}
OWNER = {"since": "2026-01-01", "page": "ann", "tools": ["saw", None, "nobody"]}
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31 - 1, 2**31, 2**53, 2**63 - 1, 1.0, 1.5, 1e300, math.inf, math.nan),
    *("", "x", "new", "worn", "FIRST", "ann", "makers/ann", "MakerPage:ann", "ToolPage:saw", "MakerCard:ann", "nobody", "a/b"),
    *("2026-01-01", "17:30:00", "17:30:00.000001", "19.90", "1e400", "nan", "00000000-0000-0000-0000-000000000001", "\u2028\x7f"),
    *(datetime(2026, 1, 1, tzinfo=UTC), b"", b"\xff", GeoPoint(1.5, -2.5), {}, [], [None], [{}], ["x", None], ["ann"], [1, 2.5]),
    *(["saw", None, "nobody"], ["makers/ann", "x"], ["MakerPage:ann", "ToolPage:axe"], ["MakerPage:nobody"], ["MakerCard:ann"]),
    *(PLANK, {"objType": "Plank", **PLANK}, [{"objType": "Screw", "length": 1.5}], [{"objType": "MakerPage"}], [PLANK]),
    *(OWNER, {"objType": "Owner", **OWNER}, {**OWNER, "page": None}, {"objType": "Nobody", "reason": "x"}, [GeoPoint(0.0, 0.5)]),
)


@pytest.fixture(scope="module")
async def opened() -> AsyncIterator[Workshop]:
    async with workshop("sqlite://") as found:
        yield found


@pytest.fixture(autouse=True)
def _no_faults(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What no answer should raise is logged: that graphql-core then answers hides it from the comparison."""
    yield
    assert not [one for one in caplog.get_records("call") if one.levelno >= logging.ERROR]


@pytest.mark.parametrize("field", [one.document_name for one in ToolPage.__view__.fields.values()])
async def test_a_stored_value_is_shown_as_graphql_core_shows_it(opened: Workshop, field: str) -> None:
    [saw] = await opened.views.read(ToolPage, ["saw"])
    assert saw.document is not None
    odd = [{**saw.document, "id": f"odd{at}", field: value} for at, value in enumerate(VALUES)]
    await opened.datastore.commit([Set(f"ToolPage/{one['id']}", one) for one in odd])
    document = opened.parse(f"query ($id: ID!) {{ toolPage(id: $id) {{ {field} {SELECTED.get(field, '')} }} }}")
    plan = opened.plans().plan(document, operation_of(document))
    answered = 0
    for at, value in enumerate(VALUES):
        expected = await opened.execute(document, {"id": f"odd{at}"})
        answered += expected is not None
        for _ in range(2):
            assert await ask(plan, {"id": f"odd{at}"}) == expected, value
    assert answered, "some of these are values of the field"
