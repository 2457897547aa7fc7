"""Names are resolved as early as they can be: at the declaration, on first use, by the Catalog at the latest."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from bff.errors import DeclarationError
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel

FILES = {
    "people.py": """
        from __future__ import annotations
        from typing import TYPE_CHECKING
        from bff.model.domain_model import DomainModel
        from bff.model.mutation import mutation
        from bff.model.ref import Ref
        if TYPE_CHECKING:
            from {package}.houses import House
            from {package}.screens import PersonView

        class Person(DomainModel, collection="people"):
            house: Ref[House] | None = None
            houses: list["Ref[House]"] = []

            @mutation
            def move(self, house: House) -> PersonView: ...
        """,
    "houses.py": """
        from __future__ import annotations
        from bff.model.domain_model import DomainModel
        from bff.model.ref import Ref
        from {package}.people import Person

        class House(DomainModel, collection="houses"):
            owner: Ref[Person]
        """,
    "screens.py": """
        from __future__ import annotations
        from typing import TYPE_CHECKING
        from bff.model.field import field
        from bff.model.store import Store, reference
        from bff.model.view_model import ViewModel
        from {package}.people import Person
        if TYPE_CHECKING:
            from {package}.more_screens import HouseView

        class PersonStore(Store):
            person = reference(Person)

        class PersonView(ViewModel):
            store: PersonStore

            @field
            def house(self) -> HouseView | None:
                return None
        """,
    "more_screens.py": """
        from bff.model.field import field
        from bff.model.store import Store, reference
        from bff.model.view_model import ViewModel
        from {package}.houses import House
        from {package}.screens import PersonView

        class HouseStore(Store):
            house = reference(House)

        class HouseView(ViewModel):
            store: HouseStore

            @field
            def owner(self) -> PersonView:
                return PersonView.of(self.store.house.owner)

            @field
            def rooms(self) -> int:
                return len([room for room in self.store.house.id if room in {{"a", "b", "c"}}])
        """,
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    name = f"app_{tmp_path.name}".replace("-", "_")
    folder = tmp_path / name
    folder.mkdir()
    for file, text in {"__init__.py": "", **FILES}.items():
        lines = text.format(package=name).splitlines()
        (folder / file).write_text("\n".join(line.removeprefix("        ") for line in lines))
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    for module in [module for module in sys.modules if module.startswith(name)]:
        del sys.modules[module]


def load(package: str, module: str) -> ModuleType:
    return importlib.import_module(f"{package}.{module}")


def test_classes_that_are_imported_for_type_checkers_only_are_found(package: str) -> None:
    more_screens, screens = load(package, "more_screens"), load(package, "screens")
    person, house = load(package, "people").Person, load(package, "houses").House
    catalog = Catalog.of([more_screens.HouseView, screens.PersonView])
    assert catalog.models == {"Person": person, "House": house}
    [move] = catalog.mutations.values()
    assert (move.name, move.parameters[0].model, move.returns) == ("personMove", house, screens.PersonView)
    link = screens.PersonView.__view__.fields["house"].link
    assert link.view is more_screens.HouseView


def test_models_are_completed_on_first_use(package: str) -> None:
    person, house = load(package, "people").Person, load(package, "houses").House
    assert person(id="a", house="houses/b", houses=["houses/c"]).house == house.ref("b")
    assert (person.house == house.ref("b")).filter.field == "house"


def test_a_name_that_nobody_declares_is_refused_on_first_use(package: str) -> None:
    person = load(package, "people").Person
    with pytest.raises(DeclarationError, match="uses the name 'House', which is not defined; import it"):
        person(id="a")


def test_the_definition_hash_is_the_same_in_every_process(package: str, tmp_path: Path) -> None:
    here = load(package, "more_screens").HouseView.__view__.definition_hash
    code = f"import {package}.more_screens as m; print(m.HouseView.__view__.definition_hash)"
    for seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONPATH": str(tmp_path), "PYTHONHASHSEED": seed},
        )
        assert done.stdout.strip() == here


def test_local_classes_may_name_each_other() -> None:
    class Chicken(DomainModel, collection="chickens"):
        egg: Ref[Egg]

    class Egg(DomainModel, collection="eggs"):
        chicken: Ref[Chicken]

    class ChickenStore(Store):
        chicken = reference(Chicken)
        egg = reference(Egg, of=lambda s: s.chicken.egg)

    class ChickenView(ViewModel):
        store: ChickenStore

        @field
        def egg(self) -> EggView:
            return EggView.of(self.store.egg)

    class EggStore(Store):
        egg = reference(Egg)

    class EggView(ViewModel):
        store: EggStore

        @field
        def chicken(self) -> ChickenView:
            return ChickenView.of(self.store.egg.chicken)

    assert Chicken(id="a", egg=Egg.ref("b")).egg.model is Egg
    catalog = Catalog.of([ChickenView, EggView])
    assert set(catalog.models) == {"Chicken", "Egg"}


def test_a_store_may_name_a_model_that_is_declared_further_down() -> None:
    class Parent(DomainModel, collection="parents"):
        name: str

    class ParentStore(Store):
        parent = reference(Parent)
        again = reference(Parent, where=lambda s: Child.parent == s.parent.ref if s.parent.name else Parent.name == "x")

    class Child(Parent):
        parent: Ref[Parent]

    assert ParentStore.__store__.depth == 2
