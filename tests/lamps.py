"""The least that can be changed and looked at: lamps that are switched."""

from __future__ import annotations

from bff import DomainModel, Store, ViewModel, field, mutation, reference

__all__ = ["Lamp", "LampStore", "LampView"]


class Lamp(DomainModel, collection="lamps"):
    switched: int = 0

    @mutation(returns="LampView")
    def switch(self) -> None:
        self.switched += 1


class LampStore(Store):
    lamp = reference(Lamp)


class LampView(ViewModel):
    store: LampStore

    @field
    def switched(self) -> int:
        return self.store.lamp.switched

    @switched.setter
    def switched(self, value: int) -> None:
        self.store.lamp.switched = value
