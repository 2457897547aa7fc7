"""Apps that are fine, and things that are none: what ``bff serve`` may be pointed at."""

from __future__ import annotations

from enum import Enum

from bff.app import App
from bff.errors import DomainError
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.mutation import mutation
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel

__all__ = ["Kettle", "KettleView", "app", "no_app"]


class Lid(Enum):
    OPEN = "OPEN"
    SHUT = "SHUT"


class Kettle(DomainModel, collection="kettles"):
    name: str
    litres: int = 1
    lid: Lid | None = None

    @mutation(returns="KettleView")
    def fill(self, litres: int) -> None:
        """Fill it. Too much of it boils over, and some of it breaks the kettle."""
        if litres > 100:
            raise BoiledOver(f"{litres} litres are too much")
        if litres < 0:
            raise RuntimeError(f"secret: the kettle {self.id} imploded")
        self.litres = litres


class BoiledOver(DomainError):
    """It was too much."""


class KettleStore(Store):
    kettle = reference(Kettle)


class KettleView(ViewModel):
    store: KettleStore

    @field
    def name(self) -> str:
        return self.store.kettle.name

    @field
    def cups(self) -> int:
        if self.store.kettle.name == "cracked":
            raise ValueError("secret: water everywhere")
        return self.store.kettle.litres * 4

    @cups.setter
    def cups(self, value: int) -> None:
        if value < 0:
            raise RuntimeError("secret: negative water")
        if value > 400:
            raise BoiledOver(f"{value} cups are too much")
        self.store.kettle.litres = value // 4

    @field
    def lid(self) -> Lid | None:
        return self.store.kettle.lid

    @lid.setter
    def lid(self, value: Lid | None) -> None:
        self.store.kettle.lid = value


app = App(views=[KettleView])
no_app = {"name": "not an app"}
