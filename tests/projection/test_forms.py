"""Forms: what a client writes into the datastore is done once, and it is told what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bff.datastore.port import Datastore, Delete, Merge, Set
from bff.errors import BadUserInput, DeclarationError, DomainError
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.effect import effect
from bff.model.form import Form, entry
from bff.model.form_draft import creates
from bff.model.outbox_entry import OUTBOX
from bff.projection.dead import DeadLetters
from bff.projection.handling import HandlingOptions
from bff.projection.mediation import Mediation, handlings
from bff.supervisor import Backoff
from bff.types import Value
from tests.projection.support import Holding, everything, get

pytestmark = pytest.mark.anyio


class City(DomainModel, collection="cities"):
    city_name: str
    population: int = 0
    proposed_by: str


class Quota(DomainModel, collection="quotas"):
    left: int


class NoMoreCities(DomainError):
    """You have proposed enough."""


BROKEN: set[str] = set()


@effect
async def tell(text: str, key: str) -> None: ...


class CityForm(Form, path="users/{uid}/cityForms/{id}"):
    """A city that a user proposes."""

    city = creates(City)

    @entry
    def city_name(self, value: str) -> None:
        if value in BROKEN:
            raise LookupError("nobody thought of this")
        if not value.strip():
            raise ValueError("a city has a name")
        self.city.city_name = value.strip()

    @entry
    def population(self, value: int = 0) -> None:
        if value < 0:
            raise BadUserInput("it cannot be negative")
        self.city.population = value

    @entry
    async def custom_id(self, value: str = "") -> None:
        self.city.id = value

    async def submit(self) -> None:
        assert self.principal.id is not None
        self.city.proposed_by = self.principal.id
        quota = await Quota.get(self.principal.id)
        if quota is not None:
            quota.left -= 1
            if quota.left < 0:
                raise NoMoreCities
        tell.send(self.city.city_name)


class Named(DomainModel, collection="named"):
    name: str


class NameForm(Form, path="nameForms/{id}"):
    named = creates(Named)

    @entry
    def name(self, value: str) -> None:
        self.named.name = value


CATALOG = Catalog.of([], forms=[CityForm, NameForm], effects=[tell], models=[Quota])
OPTIONS = HandlingOptions(attempts=2, save_seconds=0.01, retry=Backoff(first=0.01, limit=0.02))
FORM = "users/tijuana/cityForms/f"


@pytest.fixture
async def mediation(datastore: Datastore, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Mediation]:
    BROKEN.clear()
    with caplog.at_level("CRITICAL"):
        async with Mediation(datastore, CATALOG, OPTIONS) as running:
            yield running


async def submit(datastore: Datastore, mediation: Mediation, path: str = FORM, **fields: Value) -> dict[str, Any]:
    """Write a form whole, as a client does; what it then finds in it."""
    await mediation.wait_for((await datastore.commit([Set(path, fields)])).timepoint)
    return dict((await get(datastore, path)).data or {})


async def cities(datastore: Datastore) -> list[Any]:
    return sorted((document.data or {})["cityName"] for document in (await everything(datastore, "cities")).values())


async def test_a_form_makes_a_document_and_is_told_its_id(datastore: Datastore, mediation: Mediation) -> None:
    told = await submit(datastore, mediation, cityName=" Oslo ", population=700_000)
    [(id, city)] = (await everything(datastore, "cities")).items()
    assert told == {
        "cityName": " Oslo ",
        "population": 700_000,
        "status": "done",
        "errors": [],
        "result": {"id": id},
    }
    assert city.data == {"objType": "City", "cityName": "Oslo", "population": 700_000, "proposedBy": "tijuana"}
    assert len(await everything(datastore, OUTBOX)) == 1


async def test_what_is_wrong_is_told_field_by_field_and_nothing_is_made(datastore: Datastore, mediation: Mediation) -> None:
    told = await submit(datastore, mediation, cityName=" ", population=-1)
    assert (told["status"], told["result"]) == ("error", None)
    assert told["errors"] == [
        {"field": "cityName", "code": "BAD_VALUE", "message": "a city has a name"},
        {"field": "population", "code": "BAD_USER_INPUT", "message": "it cannot be negative"},
    ]
    told = await submit(datastore, mediation, population="many")
    assert [(error["field"], error["code"]) for error in told["errors"]] == [
        ("cityName", "REQUIRED"),
        ("population", "BAD_VALUE"),
    ]
    assert not await everything(datastore, "cities")


async def test_a_form_is_looked_at_again_when_it_is_written_again(datastore: Datastore, mediation: Mediation) -> None:
    assert (await submit(datastore, mediation, cityName=""))["status"] == "error"
    # As a client does that changes one field of what it sees.
    commit = await datastore.commit([Merge(FORM, {"cityName": "Oslo"})])
    await mediation.wait_for(commit.timepoint)
    told = (await get(datastore, FORM)).data or {}
    assert (told["status"], told["errors"]) == ("done", [])
    assert await cities(datastore) == ["Oslo"]


async def test_what_is_refused_leaves_nothing_of_what_it_did(datastore: Datastore, mediation: Mediation) -> None:
    await datastore.commit([Set("quotas/tijuana", Quota(id="tijuana", left=0).to_data())])
    told = await submit(datastore, mediation, cityName="Oslo")
    assert told["errors"] == [{"field": None, "code": "NO_MORE_CITIES", "message": "You have proposed enough."}]
    assert not await everything(datastore, "cities")
    assert not await everything(datastore, OUTBOX)
    assert ((await get(datastore, "quotas/tijuana")).data or {})["left"] == 0


async def test_a_form_that_is_done_is_not_done_again(datastore: Datastore, mediation: Mediation) -> None:
    first = await submit(datastore, mediation, cityName="Oslo")
    again = await submit(datastore, mediation, cityName="Bergen")
    assert (again["status"], again["result"]) == ("done", first["result"])
    await mediation.wait_for((await datastore.commit([Delete(FORM)])).timepoint)
    anew = await submit(datastore, mediation, cityName="Bergen")
    assert anew["result"] == first["result"]
    assert await cities(datastore) == ["Oslo"]


async def test_what_is_written_back_is_no_news(datastore: Datastore, mediation: Mediation) -> None:
    await submit(datastore, mediation, cityName="")
    before = (await get(datastore, FORM)).update_time
    await mediation.__aexit__(None, None, None)
    async with Mediation(datastore, CATALOG, OPTIONS) as restarted:
        await submit(datastore, restarted, "users/u2/cityForms/f", cityName="Oslo")
    assert (await get(datastore, FORM)).update_time == before


async def test_a_new_document_whose_id_is_taken_is_an_error_of_that_field(datastore: Datastore, mediation: Mediation) -> None:
    await submit(datastore, mediation, cityName="Oslo", customId="oslo")
    told = await submit(datastore, mediation, "users/u2/cityForms/f", cityName="Other", customId="oslo")
    assert told["errors"] == [{"field": "customId", "code": "CONFLICT", "message": "there is one of this id already"}]
    told = await submit(datastore, mediation, "users/u2/cityForms/f", cityName="Other", customId="a/b")
    assert [error["field"] for error in told["errors"]] == ["customId"]
    assert await cities(datastore) == ["Oslo"]


async def test_only_its_own_paths_are_forms(datastore: Datastore, mediation: Mediation) -> None:
    for path in ("cityForms/f", "teams/t/cityForms/f", "users/u/x/y/cityForms/f"):
        assert "status" not in await submit(datastore, mediation, path, cityName="Oslo")
    told = await submit(datastore, mediation, "nameForms/f", name="N")
    assert told["status"] == "done"
    assert not await everything(datastore, "cities")


async def test_a_form_that_nobody_can_handle_is_set_aside_and_its_client_told(datastore: Datastore, mediation: Mediation) -> None:
    BROKEN.add("Oslo")
    await submit(datastore, mediation, cityName="Oslo")
    letters = DeadLetters(datastore, handlings(datastore, CATALOG, OPTIONS))
    async with asyncio.timeout(20):
        while not (await letters.counts()).documents:  # noqa: ASYNC110 - what is waited for is a state, not an event
            await asyncio.sleep(0.01)
    told = (await get(datastore, FORM)).data or {}
    assert told["status"] == "failed"
    assert told["errors"] == [
        {"field": None, "code": "INTERNAL", "message": "this could not be done; it is kept for somebody to look at"}
    ]
    # That it was told is no reason to try again.
    await submit(datastore, mediation, "users/u2/cityForms/f", cityName="Bergen")
    assert (await letters.counts()).documents == 1
    BROKEN.clear()
    [letter] = [letter async for letter in letters]
    assert (letter.name, letter.key, letter.error) == ("CityForm", FORM, "LookupError: nobody thought of this")
    assert await letters.retry(letter) is None
    assert ((await get(datastore, FORM)).data or {})["status"] == "done"
    assert (await letters.counts()).documents == 0
    assert await cities(datastore) == ["Bergen", "Oslo"]


async def test_dying_between_any_two_calls_it_is_done_once(datastore: Datastore) -> None:
    BROKEN.clear()
    for at in range(1, 9):
        dying = Holding(datastore, at)
        path = f"users/u{at}/cityForms/f"
        async with Mediation(dying, CATALOG, OPTIONS) as mediation:
            timepoint = (await datastore.commit([Set(path, {"cityName": f"C{at}"})])).timepoint
            waiting = asyncio.create_task(mediation.wait_for(timepoint))
            held = asyncio.create_task(dying.held.wait())
            async with asyncio.timeout(20):
                await asyncio.wait({waiting, held}, return_when=asyncio.FIRST_COMPLETED)
            held.cancel()
            waiting.cancel()
            await asyncio.gather(waiting, held, return_exceptions=True)
            dying.drop()
        async with Mediation(datastore, CATALOG, OPTIONS) as mediation:
            await submit(datastore, mediation, f"users/u{at}/cityForms/next", cityName=f"D{at}")
        assert ((await get(datastore, path)).data or {})["status"] == "done"
    assert await cities(datastore) == sorted([*(f"C{at}" for at in range(1, 9)), *(f"D{at}" for at in range(1, 9))])


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        (None, "says where its documents are"),
        ("cityForms", "is no document's"),
        ("cityForms/one", "is one document; end it with"),
        ("{a}/{id}", "a collection has a name"),
        ("users/{id}/forms/{id}", "names a parameter twice"),
    ],
)
def test_a_path_that_is_none_is_refused(path: str | None, problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):

        class Wrong(Form, path=path): ...


def test_what_is_declared_wrongly_is_refused() -> None:
    with pytest.raises(DeclarationError, match="are what bff writes into a form"):

        class Ours(Form, path="forms/{id}"):
            @entry
            def status(self, value: str) -> None: ...

    with pytest.raises(DeclarationError, match="an entry takes self and the value"):

        class Short(Form, path="forms/{id}"):
            @entry
            def name(self) -> None: ...

    with pytest.raises(DeclarationError, match="is no parameter of the path"):

        class Whose(Form, path="forms/{id}", principal="uid"): ...

    class Odd(Form, path="forms/{id}"):
        @entry
        def name(self, value: set[str]) -> None: ...

    with pytest.raises(DeclarationError, match=r"Odd\.name"):
        Catalog.of([], forms=[Odd])
