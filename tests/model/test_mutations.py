"""What mutations become: names, parameters, what they return, and how they are called."""

from __future__ import annotations

from typing import Any

import pytest

from bff.model.domain_model import DomainModel
from bff.model.mediator import Mediator
from bff.model.mutation import MutationDefinition, mutation
from bff.model.parameter import MISSING
from bff.model.ref import Ref
from bff.model.session import use_session
from bff.types import BigInt
from tests.model.meeting_room import (
    Badge,
    Location,
    Meeting,
    MeetingNotOpen,
    MeetingRoom,
    MeetingSession,
    MeetingStatus,
    Panel,
    Ticket,
    User,
)
from tests.model.memory_session import MemorySession

pytestmark = pytest.mark.anyio


class Account(DomainModel, collection="accounts"):
    balance: int = 0

    @mutation(name="payIn", deprecated="use transfers")
    def deposit(self, amount: BigInt, *, note: str | None = None, times: int = 1) -> int:
        """Pay money in."""
        self.balance += amount * times
        return self.balance

    @mutation
    async def close_for_good(self, heirs: list[User], guardian: User | None = None, other: Ref[User] | None = None) -> None: ...

    @classmethod
    @mutation
    def open_one(cls, balance: int = 0) -> str:
        return cls.new(balance=balance).id

    @mutation
    @classmethod
    def open_another(cls) -> None: ...


def of(owner: Any, attribute: str) -> MutationDefinition:
    listed = owner.__mediator__.mutations if issubclass(owner, Mediator) else owner.__document__.mutations
    return next(definition for definition in listed if definition.attribute == attribute)


async def test_a_domain_method_is_named_after_its_class() -> None:
    assert [definition.name for definition in Account.__document__.mutations] == [
        "payIn",
        "accountCloseForGood",
        "accountOpenOne",
        "accountOpenAnother",
    ]
    deposit = of(Account, "deposit")
    assert (deposit.owner, deposit.description, deposit.deprecated, deposit.returns, deposit.on_instance) == (
        Account,
        "Pay money in.",
        "use transfers",
        int,
        True,
    )
    assert not of(Account, "open_one").on_instance
    assert not of(Account, "open_another").on_instance
    assert of(Ticket, "check_in").name == "ticketCheckIn"
    assert of(Ticket, "check_in").returns is None


async def test_parameters_are_arguments() -> None:
    amount, note, times = of(Account, "deposit").parameters
    assert (amount.graphql_name, amount.default, amount.nullable, amount.model) == ("amount", MISSING, False, None)
    assert (note.default, note.nullable) == (None, True)
    assert (times.default, times.annotation) == (1, int)
    assert amount.codec is not None
    assert amount.codec.encode(1 << 40) == 1 << 40


async def test_documents_are_asked_for_by_id() -> None:
    heirs, guardian, other = of(Account, "close_for_good").parameters
    assert (heirs.graphql_name, heirs.model, heirs.many, heirs.nullable, heirs.codec) == ("heirIds", User, True, False, None)
    assert (guardian.graphql_name, guardian.model, guardian.many, guardian.nullable) == ("guardianId", User, False, True)
    assert (other.graphql_name, other.model, other.codec is None) == ("other", None, False)


async def test_a_mediators_method_is_named_as_it_is() -> None:
    definition = of(MeetingRoom, "set_attendance")
    assert (definition.name, definition.owner, definition.returns) == ("setAttendance", MeetingRoom, MeetingSession)
    assert [(p.graphql_name, p.model) for p in definition.parameters] == [
        ("meetingId", Meeting),
        ("userId", User),
        ("attending", None),
    ]


async def test_subclasses_inherit_mutations_under_their_parents_name() -> None:
    definition = of(Panel, "close")
    assert (definition.name, definition.owner) == ("meetingClose", Meeting)


async def test_a_mutation_is_called_and_an_override_answers() -> None:
    panel = Panel(id="p", location=Location.ref("l"), status=MeetingStatus.IN_SESSION)
    assert await of(Meeting, "close").call(panel, {}) is None
    assert (panel.status, panel.topic) == (MeetingStatus.CLOSED, "closed")
    with pytest.raises(MeetingNotOpen) as caught:
        await of(Meeting, "close").call(panel, {})
    assert caught.value.code == "MEETING_NOT_OPEN"
    account = Account(id="a")
    assert await of(Account, "deposit").call(account, {"amount": 3, "times": 2}) == 6
    assert await of(Account, "close_for_good").call(account, {"heirs": []}) is None
    assert len(await of(Account, "open_one").call(Account, {"balance": 3})) == 20


async def test_a_mediator_says_what_it_reacts_to() -> None:
    definition = MeetingRoom.__mediator__
    assert (definition.name, definition.description) == ("MeetingRoom", "The room.")
    assert [(s.name, s.model, [(t.kind, t.attribute) for t in s.triggers]) for s in definition.sources] == [
        ("tickets", Ticket, [("create", "print_badge")])
    ]
    assert [(s.name, s.model) for s in definition.sinks] == [("badges", Badge)]


async def test_a_trigger_runs_and_what_it_emits_is_saved() -> None:
    session = MemorySession()
    ticket = Ticket(id="t1", meeting=Meeting.ref("m1"), user=User.ref("u1"))
    [trigger] = MeetingRoom.__mediator__.sources[0].triggers
    mediator = MeetingRoom()
    with use_session(session):
        await trigger.call(mediator, ticket)
        assert await Badge.get("t1") == Badge(id="t1", ticket=ticket.ref)
    assert "_emitted" not in vars(mediator)


async def test_a_mediators_mutation_runs_in_the_current_session() -> None:
    session = MemorySession()
    with use_session(session):
        meeting = await Meeting(id="m1", location=Location.ref("l1")).save()
        user = await User(id="u1", first_name="", last_name="", organization="").save()
        await Ticket(id="t1", meeting=meeting.ref, user=user.ref).save()
        arguments = {"meeting": meeting, "user": user, "attending": True}
        assert await of(MeetingRoom, "set_attendance").call(MeetingRoom(), arguments) == MeetingSession.of("m1")
        ticket = await Ticket.get("t1")
    assert ticket is not None
    assert ticket.attendance


async def test_triggers_react_to_everything_and_inherit() -> None:
    from bff.model.mediator import sink, source

    class Log(Mediator):
        users = source(User)
        seen = sink(User)

        @users.on_create
        @users.on_update
        def note(self, user: User) -> None:
            self.seen.emit(user, user)

        @users.on_delete
        def forget(self, user: User) -> None: ...

        @users.on_change
        def count(self, user: User) -> None:
            self.seen.emit(3)  # type: ignore[arg-type]

    class Louder(Log):
        @Log.users.on_change
        def shout(self, user: User) -> None: ...

    [users] = Louder.__mediator__.sources
    assert sorted((t.kind, t.attribute) for t in users.triggers) == [
        ("change", "count"),
        ("change", "shout"),
        ("create", "note"),
        ("delete", "forget"),
        ("update", "note"),
    ]
    with use_session(MemorySession()), pytest.raises(TypeError, match=r"Louder.seen takes User, not int"):
        await Louder().run("count", User(id="a", first_name="", last_name="", organization=""))
