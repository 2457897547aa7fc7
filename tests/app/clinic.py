"""A clinic: who may see a patient's file is for the file to say."""

from __future__ import annotations

from bff import App, DomainModel, Principal, Readers, Ref, Store, ViewModel, field, mutation, reference
from bff.auth.port import Credentials

PEOPLE = {
    "ann": Principal(id="ann", tenant="north", groups=frozenset({"doctors"})),
    "bob": Principal(id="bob", tenant="north", groups=frozenset({"nurses", "billing"})),
    "cy": Principal(id="cy", tenant="south", groups=frozenset({"doctors", "nurses", "billing"})),
    "dee": Principal(id="dee"),
}
"""By their tokens."""


class Patient(DomainModel, collection="patients"):
    name: str
    age: int
    doctor: str
    clinic: str
    ward: Ref[Ward] | None = None
    seen_by: str = "doctor"

    @mutation
    def hand_over(self, doctor: str) -> PatientFile:
        self.doctor = doctor

    @mutation
    def open_to(self, whom: str) -> PatientFile:
        self.seen_by = whom


class Ward(DomainModel, collection="wards"):
    name: str


class PatientStore(Store):
    patient = reference(Patient)


class PatientFile(ViewModel):
    """A file that its readers see."""

    store: PatientStore

    @field(filterable=True)
    def name(self) -> str:
        return self.store.patient.name

    @field(filterable=True)
    def age(self) -> int:
        return self.store.patient.age

    @field(readers=lambda self: Readers.groups("billing", tenant=self.store.patient.clinic))
    def insurance(self) -> str | None:
        return f"policy of {self.store.patient.name}"

    def readers(self) -> Readers:
        patient = self.store.patient
        match patient.seen_by:
            case "nobody":
                return Readers.nobody()
            case "tenant":
                return Readers.tenant(patient.clinic)
            case "nurses":
                return Readers.groups("nurses", tenant=patient.clinic)
            case "signed-in":
                return Readers.signed_in()
            case "everybody":
                return Readers.public()
            case _:
                return Readers.users(patient.doctor)


class WardStore(Store):
    ward = reference(Ward)
    patients = reference(Patient, where=lambda s: Patient.ward == s.ward.ref, many=True)


class WardBoard(ViewModel):
    """Everybody may see the board, and on it the files that they may see."""

    store: WardStore

    @field
    def name(self) -> str:
        return self.store.ward.name

    @field
    def files(self) -> list[PatientFile]:
        return [PatientFile.of(one) for one in self.store.patients]

    @field
    def first(self) -> PatientFile | None:
        return PatientFile.of(self.store.patients[0]) if self.store.patients else None


def who(credentials: Credentials) -> Principal | None:
    return None if credentials.token is None else PEOPLE[credentials.token]


def clinic() -> App:
    return App(views=[PatientFile, WardBoard], auth=who)
