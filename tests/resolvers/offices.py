"""Teams, their members, the members' desks: views that link to views, three levels deep, each made of one document."""

from __future__ import annotations

from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel


class Desk(DomainModel, collection="desks"):
    place: str


class Member(DomainModel, collection="members"):
    name: str
    desk: Ref[Desk] | None = None
    home: Ref[Desk] = Desk.ref("home")
    boss: Ref[Member] | None = None


class Team(DomainModel, collection="teams"):
    name: str
    lead: Ref[Member] | None = None
    members: list[Ref[Member]] = []


class DeskStore(Store):
    desk = reference(Desk)


class MemberStore(Store):
    member = reference(Member)


class TeamStore(Store):
    team = reference(Team)


class DeskView(ViewModel):
    store: DeskStore

    @field
    def place(self) -> str:
        return self.store.desk.place

    @field
    def risk(self) -> float:
        """Cannot be computed where there is no place."""
        return 1 / len(self.store.desk.place)


class MemberView(ViewModel):
    store: MemberStore

    @field
    def name(self) -> str:
        return self.store.member.name

    @field
    def desk(self) -> DeskView | None:
        desk = self.store.member.desk
        return None if desk is None else DeskView.of(desk)

    @field
    def home(self) -> DeskView:
        return DeskView.of(self.store.member.home)

    @field
    def boss(self) -> MemberView | None:
        boss = self.store.member.boss
        return None if boss is None else MemberView.of(boss)


class TeamView(ViewModel):
    store: TeamStore

    @field
    def name(self) -> str:
        return self.store.team.name

    @field
    def lead(self) -> MemberView | None:
        lead = self.store.team.lead
        return None if lead is None else MemberView.of(lead)

    @field
    def members(self) -> list[MemberView]:
        return [MemberView.of(member) for member in self.store.team.members]


VIEWS = [TeamView, MemberView, DeskView]
