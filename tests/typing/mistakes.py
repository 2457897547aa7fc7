"""Mistakes that type checkers see; ``# E`` ends each line with one."""

# ruff: noqa: T201
from __future__ import annotations

from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.effect import effect
from bff.model.field import field
from bff.model.form import Form
from bff.model.form_draft import creates
from bff.model.mediator import Mediator, sink, source
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel


class User(DomainModel, collection="users"):
    name: str
    friend: Ref[User] | None = None


class Badge(DomainModel, collection="badges"):
    number: int


class UserStore(Store):
    user = reference(User)
    number = reference(int)  # E
    friends = reference(User, many=True)  # E


class UserView(ViewModel):
    store: UserStore

    @field
    def name(self) -> str:
        return self.store.user.name

    @name.setter
    def set_name(self, value: str) -> None:
        self.store.user.name = value


class Desk(Mediator):
    users = source(str)  # E
    badges = sink(Badge)

    def wrong(self, user: User) -> None:
        self.badges.emit(user)  # E


@effect
async def count(number: int, key: str) -> None: ...


class UserForm(Form, path="users/{uid}/userForms/{id}"):
    user = creates(User)

    async def submit(self) -> None:
        self.user.name = 3  # E
        count.send("three")  # E


def wrong(user: User, view: UserView) -> None:
    User(id="a")  # E
    user.name = 3  # E
    print(user.nmae)  # E
    print(User.nmae)  # E
    print(view.name.imaginary)  # E
    view.name = 3  # E
    Catalog.of([User])  # E
