"""Who may see a view: what is declared, and what is stored of it."""

from __future__ import annotations

import pytest

from bff import DeclarationError, DomainModel, Principal, Readers, Store, ViewModel, field, reference
from bff.model.evaluation import evaluate
from bff.model.readers import may_read, tokens_of
from bff.principal import ANONYMOUS


class Patient(DomainModel, collection="patients"):
    name: str
    doctor: str
    clinic: str


class PatientStore(Store):
    patient = reference(Patient)


def _file(**members: object) -> type[ViewModel]:
    @field
    def name(self: ViewModel) -> str:
        return str(self.store.patient.name)

    return type("PatientFile", (ViewModel,), {"__annotations__": {"store": PatientStore}, "name": name, **members})


def _by_doctor(self: ViewModel) -> Readers:
    return Readers.users(self.store.patient.doctor) | Readers.groups("nurses", tenant=self.store.patient.clinic)


PATIENT = Patient(id="p1", name="Ann", doctor="dr", clinic="north")


def _evaluated(view: type[ViewModel]) -> dict[str, object]:
    store = view.__view__.store({"patient": PATIENT})
    return {view.__view__.stored[name].document_name: one.value for name, one in evaluate(view, "p1", store).items()}


def test_readers_are_evaluated_with_the_fields_and_stored_beside_them() -> None:
    assert _evaluated(_file(readers=_by_doctor)) == {"name": "Ann", "_readers": ["group:north/nurses", "user:dr"]}


def test_a_view_that_says_nothing_of_readers_stores_nothing_of_them() -> None:
    view = _file()
    assert _evaluated(view) == {"name": "Ann"}
    assert not view.__view__.has_readers


def test_readers_of_a_field_are_stored_under_a_name_of_their_own() -> None:
    @field(readers=Readers.groups("billing"))
    def insurance(self: ViewModel) -> str | None:
        return "B-1"

    @field(readers=lambda self: Readers.users(self.store.patient.doctor))
    def diagnosis(self: ViewModel) -> str | None:
        return "flu"

    view = _file(insurance=insurance, diagnosis=diagnosis)
    assert _evaluated(view)["_readers_insurance"] == ["group:/billing"]
    assert _evaluated(view)["_readers_diagnosis"] == ["user:dr"]
    assert view.__view__.restricted == {"insurance": "_readers_insurance", "diagnosis": "_readers_diagnosis"}


def test_other_readers_are_another_definition() -> None:
    def restricted(group: str) -> str:
        @field(readers=Readers.groups(group))
        def insurance(self: ViewModel) -> str | None:
            return "B-1"

        return _file(insurance=insurance).__view__.definition_hash

    assert restricted("billing") == restricted("billing") != restricted("all")
    assert _file().__view__.definition_hash != _file(readers=_by_doctor).__view__.definition_hash


@pytest.mark.parametrize(
    ("principal", "seen"),
    [
        (ANONYMOUS, {"public"}),
        (Principal(id="dr"), {"public", "signed in", "dr"}),
        (Principal(id="x", tenant="north"), {"public", "signed in", "north"}),
        (Principal(id="x", tenant="north", groups=frozenset({"nurses"})), {"public", "signed in", "north", "nurses"}),
        (Principal(id="x", tenant="south", groups=frozenset({"nurses"})), {"public", "signed in"}),
        (Principal(id="x", groups=frozenset({"nurses"})), {"public", "signed in"}),
    ],
)
def test_who_is_one_of_the_readers(principal: Principal, seen: set[str]) -> None:
    readers = {
        "public": Readers.public(),
        "signed in": Readers.signed_in(),
        "dr": Readers.users("dr"),
        "north": Readers.tenant("north"),
        "nurses": Readers.groups("nurses", tenant="north"),
        "nobody": Readers.nobody(),
    }
    assert {name for name, one in readers.items() if one.allow(principal)} == seen
    assert {name for name, one in readers.items() if may_read(sorted(one.tokens), tokens_of(principal))} == seen


def test_names_of_one_kind_are_never_those_of_another() -> None:
    """CWE-863: a user, a group or a tenant whose name is chosen to look like another's."""
    tricky = [
        Principal(id="u", tenant="a", groups=frozenset({"b/c"})),
        Principal(id="u", tenant="a/b", groups=frozenset({"c"})),
        Principal(id="u", tenant="a%2Fb", groups=frozenset({"c"})),
        Principal(id="u", groups=frozenset({"public", "user:root", "tenant:a"})),
        Principal(id="tenant:a"),
        Principal(id="signed-in"),
    ]
    own = [tokens_of(one) - {"public", "signed-in", "user:u", "tenant:a", "tenant:a/b", "tenant:a%2Fb"} for one in tricky]
    for index, one in enumerate(own):
        assert all(one.isdisjoint(other) for other in own[index + 1 :])
    assert tokens_of(Principal(id="tenant:a")).isdisjoint(Readers.tenant("a").tokens)


@pytest.mark.parametrize("stored", [None, "public", {"public": True}, [], [1], 7])
def test_what_is_stored_wrongly_is_seen_by_nobody(stored: object) -> None:
    assert not may_read(stored, tokens_of(Principal(id="u")))  # type: ignore[arg-type]


@pytest.mark.parametrize(("given", "wrong"), [("", "''"), (None, "None"), (7, "7")])
def test_readers_are_named(given: object, wrong: str) -> None:
    with pytest.raises(TypeError, match=wrong):
        Readers.users(given)  # type: ignore[arg-type]


def test_an_id_that_is_missing_fails_the_build_and_opens_nothing() -> None:
    from bff.errors import BuildError

    with pytest.raises(BuildError, match="readers raised TypeError"):
        _evaluated(_file(readers=lambda self: Readers.users(None)))
    with pytest.raises(BuildError, match="expected Readers"):
        _evaluated(_file(readers=lambda self: ["public"]))


async def _later(self: ViewModel) -> Readers:
    return Readers.public()


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"readers": _later}, "plain function"),
        ({"readers": lambda self, principal: Readers.public()}, "take self only"),
        ({"readers": Readers.public()}, "def readers"),
        ({"readers": field(lambda self: "x")}, "a name of ViewModel's own"),
    ],
)
def test_a_declaration_that_cannot_be_told_who_reads_is_refused(members: dict[str, object], told: str) -> None:
    with pytest.raises(DeclarationError, match=told):
        _file(**members)


def test_a_restricted_field_may_be_null_and_is_not_filtered_by() -> None:
    def insurance(self: ViewModel) -> str:
        return "B-1"

    def or_none(self: ViewModel) -> str | None:
        return "B-1"

    with pytest.raises(DeclarationError, match=r"PatientFile\.insurance: to who may not see it, it is null"):
        _file(insurance=field(readers=Readers.signed_in())(insurance))
    with pytest.raises(DeclarationError, match="would tell it to all"):
        _file(insurance=field(readers=Readers.signed_in(), filterable=True)(or_none))
    with pytest.raises(DeclarationError, match="give Readers"):
        _file(insurance=field(readers=["billing"])(or_none))  # type: ignore[call-overload]
