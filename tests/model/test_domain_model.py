"""Documents with behaviour: made, saved, found, changed, told apart."""

from __future__ import annotations

import copy
import pickle
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from bff.document import Document
from bff.errors import BadUserInput, Conflict, InvalidDocument, InvalidQuery
from bff.model.domain_model import DomainModel
from bff.model.naming import Naming
from bff.model.ref import Ref
from bff.model.session import NoSession, use_session
from bff.types import GeoPoint
from tests.model.memory_session import MemorySession

pytestmark = pytest.mark.anyio


class Mayor(BaseModel):
    first_name: str
    party: str = "none"


class City(DomainModel, collection="cities"):
    city_name: str
    city_state: str
    population: int = 0
    regions: list[str] = []
    mayor: Mayor | None = None
    sister: Ref[City] | None = None
    where_it_is: GeoPoint | None = None


class Capital(City):
    country: str


class StateCapital(Capital):
    pass


@pytest.fixture
async def session() -> AsyncIterator[MemorySession]:
    session = MemorySession()
    with use_session(session):
        yield session


async def cities() -> None:
    await City(id="SF", city_name="San Francisco", city_state="CA", population=860_000, regions=["west", "norcal"]).save()
    await City(id="LA", city_name="Los Angeles", city_state="CA", population=3_900_000, regions=["west", "socal"]).save()
    await Capital(id="DC", city_name="Washington", city_state="DC", population=680_000, country="USA").save()
    await StateCapital(id="SAC", city_name="Sacramento", city_state="CA", population=520_000, country="USA").save()


async def names(find: Any) -> list[str]:
    return [city.id async for city in find]


async def test_what_is_saved_is_found_again(session: MemorySession) -> None:
    city = City(
        id="SF", city_name="San Francisco", city_state="CA", mayor=Mayor(first_name="London"), where_it_is=GeoPoint(37.7, -122.4)
    )
    assert await city.save() is city
    assert await City.get("SF") == city
    assert await City.get("nowhere") is None
    assert await City.get_many(["nowhere", "SF"]) == [None, city]
    assert session.documents["cities/SF"].data == {
        "objType": "City",
        "cityName": "San Francisco",
        "cityState": "CA",
        "population": 0,
        "regions": [],
        "mayor": {"firstName": "London", "party": "none"},
        "sister": None,
        "whereItIs": GeoPoint(37.7, -122.4),
    }


async def test_saving_writes_what_changed_and_nothing_else(session: MemorySession) -> None:
    await cities()
    city = await City.get("SF")
    assert city is not None
    writes = session.writes
    await city.save()
    assert session.writes == writes
    city.population += 1
    city.regions.append("bay")
    assert city.changes().data == {"population": 860_001, "regions": ["west", "norcal", "bay"]}
    await city.save()
    assert city.changes().data == {}
    assert session.writes == writes + 1


async def test_fields_that_no_class_declares_survive_a_save(session: MemorySession) -> None:
    stored = {
        "objType": "City",
        "cityName": "Springfield",
        "cityState": "IL",
        "founded": 1821,
        "mayor": {"firstName": "Joe", "party": "none", "age": 61},
    }
    session.documents["cities/S"] = Document("cities/S", stored, 1)
    city = await City.get("S")
    assert city is not None
    city.city_state = "OR"
    assert "mayor" not in city.changes().data
    await city.save()
    data = session.documents["cities/S"].data
    assert data is not None
    assert (data["founded"], data["mayor"], data["cityState"]) == (1821, {"firstName": "Joe", "party": "none", "age": 61}, "OR")


async def test_new_ones_have_a_random_id_and_never_replace(session: MemorySession) -> None:
    first, second = (City.new(city_name="Here", city_state="CA") for _ in range(2))
    assert len(first.id) == 20
    assert first.id != second.id
    await first.save()
    assert not first.is_new
    with pytest.raises(Conflict):
        await City.new(id=first.id, city_name="There", city_state="CA").save()
    await City(id=first.id, city_name="There", city_state="CA").save()


async def test_deleting_a_document_makes_it_new_again(session: MemorySession) -> None:
    await cities()
    city = await City.get("SF")
    assert city is not None
    await city.delete()
    assert await City.get("SF") is None
    assert city.is_new
    await city.save()
    assert await City.get("SF") == city


async def test_assignment_is_validated() -> None:
    city = City(id="SF", city_name="San Francisco", city_state="CA")
    with pytest.raises(ValidationError, match="population"):
        city.population = "many"  # type: ignore[assignment]
    with pytest.raises(ValidationError, match="frozen"):
        city.id = "LA"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="not permitted"):
        City(id="SF", city_name="San Francisco", city_state="CA", nmae="x")  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="is not a document id"):
        City(id="a/b", city_name="San Francisco", city_state="CA")


async def test_an_id_that_is_none_is_refused(session: MemorySession) -> None:
    with pytest.raises(BadUserInput, match="'a/b' is not a document id"):
        await City.get("a/b")


async def test_a_query_on_a_class_finds_its_subclasses_as_what_they_are(session: MemorySession) -> None:
    await cities()
    found = {city.id: type(city) async for city in City.all()}
    assert found == {"SF": City, "LA": City, "DC": Capital, "SAC": StateCapital}
    assert await names(Capital.all()) == ["DC", "SAC"]
    assert await names(StateCapital.all()) == ["SAC"]
    assert type(await City.get("DC")) is Capital
    assert await Capital.get("SF") is None
    assert await StateCapital.ref("DC").get() is None


async def test_queries_are_written_in_three_ways(session: MemorySession) -> None:
    await cities()
    assert (
        await names(City.where(City.city_state == "CA"))
        == await names(City.where(city_state="CA"))
        == await names(City.where("cityState", "==", "CA"))
        == await names(City.where(City.city_state, "==", "CA"))
        == ["LA", "SAC", "SF"]
    )


async def test_queries_are_fluent_and_each_step_is_a_new_one(session: MemorySession) -> None:
    await cities()
    small = City.where(City.population < 1_000_000)
    assert await names(small.order_by(City.population)) == ["SAC", "DC", "SF"]
    assert await names(small.order_by(City.population.desc()).limit(2)) == ["SF", "DC"]  # type: ignore[attr-defined]
    assert await names(small.order_by(City.population, descending=True).start_after(860_000)) == ["DC", "SAC"]
    assert await names(small.order_by("cityName").end_at("San Francisco")) == ["SAC", "SF"]
    assert await names(City.where(city_state="CA").order_by(City.population).start_at(860_000)) == ["SF", "LA"]
    assert await names(City.order_by(City.city_name).end_before("Sacramento")) == ["LA"]
    assert await names(City.limit(1)) == ["DC"]
    assert await names(City.start_after("LA")) == ["SAC", "SF"]
    assert await names(small) == ["SAC", "DC", "SF"]
    first = await small.order_by(City.city_name).first()
    assert first is not None
    assert first.id == "SAC"
    assert await City.where(city_state="TX").first() is None


async def test_a_document_is_a_position(session: MemorySession) -> None:
    await cities()
    query = City.order_by(City.city_state).order_by(City.city_name, descending=True)
    everything = [city async for city in query]
    for position, city in enumerate(everything):
        assert await query.start_after(city).list() == everything[position + 1 :]
        assert await query.end_at(city).list() == everything[: position + 1]
        assert await query.limit(1).start_at(city).list() == [city]


async def test_conditions_reach_into_models_lists_and_refs(session: MemorySession) -> None:
    await cities()
    await City(id="X", city_name="X", city_state="XX", mayor=Mayor(first_name="Ann"), sister=City.ref("SF")).save()
    sf = await City.get("SF")
    assert sf is not None
    assert await names(City.where(City.mayor.first_name == "Ann")) == ["X"]  # type: ignore[union-attr]
    assert await names(City.where("mayor.firstName", "==", "Ann")) == ["X"]
    assert await names(City.where(City.regions, "array-contains", "norcal")) == ["SF"]
    assert await names(City.where(City.regions, "array-contains-any", ["norcal", "socal"])) == ["LA", "SF"]
    for pointer in (sf, sf.ref, "cities/SF"):
        assert await names(City.where(sister=pointer)) == ["X"]
    assert await names(City.where(City.id == "SF")) == ["SF"]
    assert await names(City.where(City.id, "in", ["SF", "X"])) == ["SF", "X"]
    assert sorted(await names(City.where((City.city_state == "DC") | (City.population > 3_000_000)))) == ["DC", "LA"]
    assert await names(City.where((City.city_state == "CA") & (City.population > 860_000.5))) == ["LA"]


async def test_refs_find_their_documents(session: MemorySession) -> None:
    await cities()
    ref = City.ref("SF")
    found = await ref.get()
    assert found is not None
    assert found.ref == ref
    assert {ref: 1}[found.ref] == 1
    assert (ref.id, ref.path, ref.model, repr(ref)) == ("SF", "cities/SF", City, "Ref(cities/SF)")
    assert await City.ref("nowhere").get() is None
    assert City(id="a", city_name="", city_state="", sister=found.ref).sister == ref
    assert City(id="a", city_name="", city_state="", sister=found).sister == ref  # type: ignore[arg-type]
    assert City(id="a", city_name="", city_state="", sister="cities/SF").sister == ref  # type: ignore[arg-type]
    for wrong in ("states/CA", "SF", 3, "cities/a/b/c"):
        with pytest.raises(ValidationError, match="sister"):
            City(id="a", city_name="", city_state="", sister=wrong)  # type: ignore[arg-type]


async def test_without_a_session_models_say_what_to_do() -> None:
    with pytest.raises(NoSession, match=r"async with bff.connect"):
        await City.get("SF")
    with pytest.raises(NoSession):
        await City.all().list()
    with pytest.raises(NoSession):
        await City.ref("SF").get()


async def test_a_document_that_does_not_fit_is_refused_with_its_place(session: MemorySession) -> None:
    def stored(**fields: Any) -> Document:
        return Document("cities/SF", {"objType": "City", "cityName": "San Francisco", "cityState": "CA", **fields}, 1)

    for document, problem in (
        (Document("cities/SF", None), "cities/SF: there is no such document"),
        (stored(population="many"), "cities/SF: population: expected int, got str 'many'"),
        (stored(mayor={"firstName": 3}), "cities/SF: mayor.firstName: expected str, got int 3"),
        (stored(mayor={}), "cities/SF: mayor: first_name: Field required"),
        (stored(regions=["a", 3]), r"cities/SF: regions\[1\]: expected str, got int 3"),
        (stored(objType="Village"), "cities/SF is a 'Village', which is no City"),
        (Document("cities/SF", {"cityName": "x"}, 1), "cities/SF is no City: city_state: Field required"),
    ):
        with pytest.raises(InvalidDocument, match=problem):
            City.from_document(document)
    with pytest.raises(InvalidDocument, match="cities/SF is a 'City', which is no Capital"):
        Capital.from_document(stored())


async def test_a_value_that_cannot_be_stored_is_refused_with_its_place(session: MemorySession) -> None:
    city = City(id="SF", city_name="San Francisco", city_state="CA", population=1 << 63)
    with pytest.raises(InvalidDocument, match="cities/SF: population: 9223372036854775808 does not fit into 64 bits"):
        await city.save()
    city.population = 0
    city.regions.append(3)  # type: ignore[arg-type]
    with pytest.raises(InvalidDocument, match=r"cities/SF: regions\[0\]: expected str, got int 3"):
        await city.save()


async def test_a_document_without_a_class_is_of_the_class_of_its_collection() -> None:
    document = Document("cities/SF", {"cityName": "San Francisco", "cityState": "CA"}, 1)
    assert type(City.from_document(document)) is City
    assert City.holds(document)
    assert not Capital.holds(document)
    assert not City.holds(Document("cities/SF", None))


async def test_an_absent_field_takes_its_default_and_is_stored_with_the_next_save() -> None:
    city = City.from_document(Document("cities/SF", {"objType": "City", "cityName": "San Francisco", "cityState": "CA"}, 7))
    assert (city.population, city.update_time) == (0, 7)
    assert city.changes().data == {"population": 0, "regions": [], "mayor": None, "sister": None, "whereItIs": None}


async def test_numbers_that_are_equal_and_not_the_same_are_a_change() -> None:
    class Reading(DomainModel, collection="readings"):
        anything: Any = None
        level: float = 0.0

    reading = Reading(id="a", anything=1, level=float("nan"))
    reading.mark_stored(1)
    assert reading.changes().data == {}
    reading.anything = True
    assert reading.changes().data == {"anything": True}
    reading.anything = 1.0
    assert reading.changes().data == {"anything": 1.0}


async def test_documents_can_be_named_otherwise() -> None:
    class Snake(DomainModel, collection="snakes", naming="snake"):
        scale_count: int
        mayor: Mayor | None = None

    class Loud(DomainModel, collection="louds", naming=Naming("upper", str.upper, str.lower)):
        how_loud: int

    class Louder(Loud):
        much_louder: bool = True

    assert Snake(id="a", scale_count=1, mayor=Mayor(first_name="Ann")).to_data() == {
        "objType": "Snake",
        "scale_count": 1,
        "mayor": {"first_name": "Ann", "party": "none"},
    }
    assert Louder(id="a", how_loud=1).to_data() == {"objType": "Louder", "HOW_LOUD": 1, "MUCH_LOUDER": True}
    assert Louder.where(how_loud=1).to_query().where is not None


async def test_fields_may_come_from_a_plain_mixin() -> None:
    class Timestamped(BaseModel):
        created: datetime

    class Post(DomainModel, Timestamped, collection="posts"):
        title: str

    post = Post(id="a", title="x", created=datetime(2026, 1, 1, tzinfo=UTC))
    assert Post.from_document(Document("posts/a", post.to_data(), 1)) == post
    assert list(Post.__document__.fields) == ["created", "title"]


async def test_a_class_may_be_declared_again() -> None:
    def declare(size: int) -> type[City]:
        class Town(City):
            area: int = size

        return Town

    first, second = declare(1), declare(2)
    document = Document("cities/T", {"objType": "Town", "cityName": "T", "cityState": "T"}, 1)
    assert type(City.from_document(document)) is second
    assert first is not second


async def test_models_can_be_copied_and_pickled() -> None:
    city = City(id="SF", city_name="San Francisco", city_state="CA", sister=City.ref("LA"))
    assert pickle.loads(pickle.dumps(city)) == city
    assert copy.deepcopy(city) == city
    assert city.model_copy() == city
    assert City.model_validate_json(city.model_dump_json()) == city
    assert City.model_json_schema()["properties"]["sister"]["anyOf"][0] == {"type": "string"}


async def test_a_query_names_only_what_its_model_has(session: MemorySession) -> None:
    class Lake(DomainModel, collection="lakes"):
        depth: float

    for wrong, problem in (
        (lambda: City.where(nmae="x"), "City has no field 'nmae'; it has id, city_name"),
        (lambda: City.where("city_state", "==", "CA"), "City has no document field 'city_state'; in documents .* is 'cityState'"),
        (lambda: City.where("nmae", "==", "CA"), "City has no document field 'nmae'; it has cityName"),
        (lambda: City.where("cityState", "=", "CA"), "'=' is no operator; there are: ==, !=, <"),
        (lambda: City.where("cityState", "CA"), "give a field, an operator and an operand"),
        (lambda: City.where(True), "City.where: True is no condition"),
        (lambda: City.where(Lake.depth > 3), "a query over City cannot name an attribute of Lake"),
        (lambda: City.order_by(Lake.depth), "a query over City cannot name an attribute of Lake"),
        (lambda: City.order_by(3), "3 is neither an attribute of the class nor the name of a document field"),
        (lambda: City.limit(0), "limit 0"),
        (lambda: City.order_by(City.mayor), "City.mayor cannot be ordered by"),
        (lambda: City.start_after("a", "b").to_query(), r"a position has 1 to 1 values here \(__name__\), not 2"),
        (lambda: City.order_by(City.population).start_after("a").to_query(), "City.population == 'a': expected int"),
    ):
        with pytest.raises(InvalidQuery, match=problem):
            wrong()
