"""What the fault campaigns serve: meters that are counted up, and groups of them; each change is in two views."""

from __future__ import annotations

from bff.app import App
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.mutation import mutation
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from tests.faults.inspected import inspect_on_signals
from tests.faults.killing import KillingDatastore

__all__ = ["Group", "GroupPage", "Meter", "MeterPage", "app"]


class Group(DomainModel, collection="groups"):
    name: str


class Meter(DomainModel, collection="meters"):
    group: str
    count: int = 0

    @mutation(returns="MeterPage")
    def add(self) -> None:
        """Count one more."""
        self.count += 1


class MeterStore(Store):
    meter = reference(Meter)


class GroupStore(Store):
    group = reference(Group)
    meters = reference(Meter, where=lambda s: Meter.group == s.group.id, many=True)


class MeterPage(ViewModel):
    store: MeterStore

    @field
    def count(self) -> int:
        return self.store.meter.count


class GroupPage(ViewModel):
    store: GroupStore

    @field
    def name(self) -> str:
        return self.store.group.name

    @field
    def total(self) -> int:
        return sum(meter.count for meter in self.store.meters)

    @field
    def counts(self) -> list[str]:
        return sorted(f"{meter.id}: {meter.count}" for meter in self.store.meters)


datastore = KillingDatastore()
app = App(views=[MeterPage, GroupPage], datastore=datastore)
inspect_on_signals(datastore)
