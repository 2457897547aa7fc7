# mypy: ignore-errors
"""Every mistake in a Mediator fails where it is declared, and says the class, the field and the remedy."""

from __future__ import annotations

from typing import Any

from bff.model.mediator import Mediator, sink, source
from bff.model.mutation import mutation
from tests.model.meeting_room import Ticket
from tests.model.mistakes import Declare, Mistakes, refused

mistake = Mistakes()


@mistake("Room: a Mediator knows no name=; remove it")
def mediator_with_a_keyword() -> Any:
    class Room(Mediator, name="x"):
        pass


@mistake("Room: a Mediator is made without arguments; let __init__ take self only")
def mediator_with_arguments() -> Any:
    class Room(Mediator):
        def __init__(self, size: int) -> None: ...


@mistake("Room.tickets: source(<class 'int'>): name a DomainModel")
def source_of_no_documents() -> Any:
    class Room(Mediator):
        tickets = source(int)


@mistake("Room.badges: sink(<class 'int'>): name a DomainModel")
def sink_of_no_documents() -> Any:
    class Room(Mediator):
        badges = sink(int)


@mistake("Room.tickets: nothing reacts to it; write @tickets.on_change over a method, or remove it")
def source_without_triggers() -> Any:
    class Room(Mediator):
        tickets = source(Ticket)


@mistake("Room.greet: a trigger takes self and the document: def …(self, ticket: Ticket) -> None")
def trigger_without_a_document() -> Any:
    class Room(Mediator):
        tickets = source(Ticket)

        @tickets.on_create
        def greet(self) -> None: ...


@mistake("on_create is for methods: put it on a def")
def trigger_on_no_method() -> Any:
    class Room(Mediator):
        tickets = source(Ticket)
        greet = tickets.on_create(3)


@mistake("Room.greet: its source is not in this class; write tickets = source(Ticket) in it")
def trigger_of_another_source() -> Any:
    elsewhere = source(Ticket)

    class Room(Mediator):
        @elsewhere.on_create
        def greet(self, ticket: Ticket) -> None: ...


@mistake("Room.enter: a @mutation of a Mediator is a method; take self")
def classmethod_of_a_mediator() -> Any:
    class Room(Mediator):
        @classmethod
        @mutation
        def enter(cls) -> None: ...

    return Room.__mediator__.mutations


@mistake.each
def test_a_mistake_is_refused_with_class_field_and_remedy(declare: Declare, message: str) -> None:
    refused(declare, message)
