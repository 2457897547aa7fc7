"""``@mutation(allow=…)`` and parameters that are the Principal: what is declared wrongly is told."""

from __future__ import annotations

from typing import Any

import pytest

from bff.errors import DeclarationError, Forbidden, Unauthenticated
from bff.model.allow import Allow
from bff.model.domain_model import DomainModel
from bff.model.mediator import Mediator
from bff.model.mutation import declared_mutations, mutation
from bff.principal import ANONYMOUS, Principal, signed_in

pytestmark = pytest.mark.anyio

ADA = Principal(id="ada")


def refusal(owner: Any) -> str:
    with pytest.raises(DeclarationError) as error:
        declared_mutations(owner)
    return str(error.value)


@pytest.mark.parametrize(
    "allow",
    [True, "staff", lambda: True, lambda a, b, c: True, lambda *, principal: True, lambda principal, *, extra: True, dict],
    ids=["True", "a text", "nothing", "three", "by name", "one more by name", "a class"],
)
def test_allow_takes_the_principal_and_the_document(allow: Any) -> None:
    class Thing(DomainModel, collection="allow_things"):
        @mutation(allow=allow)
        def act(self) -> None: ...

    assert "allow= takes a function: (principal) -> bool, or (principal, document) -> bool" in refusal(Thing)


def test_without_a_document_it_takes_the_principal_only() -> None:
    class Thing(DomainModel, collection="allow_class_things"):
        @mutation(allow=lambda principal, thing: True)
        @classmethod
        def make(cls) -> None: ...

    assert "there is no document here" in refusal(Thing)

    class Doer(Mediator):
        @mutation(allow=lambda principal, thing: True)
        def act(self) -> None: ...

    assert "raise Forbidden" in refusal(Doer)


def test_the_principal_is_one_parameter_and_no_argument() -> None:
    class Good(DomainModel, collection="allow_good"):
        @mutation
        def act(self, who: Principal, name: str) -> None: ...

    [definition] = declared_mutations(Good)
    assert definition.principal == "who"
    assert [one.name for one in definition.parameters] == ["name"]

    class Twice(DomainModel, collection="allow_twice"):
        @mutation
        def act(self, one: Principal, other: Principal) -> None: ...

    assert "one and other are both the Principal" in refusal(Twice)


def test_cwe_639_a_principal_that_a_client_could_give_is_refused() -> None:
    class Maybe(DomainModel, collection="allow_maybe"):
        @mutation
        def act(self, who: Principal | None = None) -> None: ...

    assert "ANONYMOUS where nobody has signed in" in refusal(Maybe)

    class Many(DomainModel, collection="allow_many"):
        @mutation
        def act(self, who: list[Principal]) -> None: ...

    assert "ANONYMOUS where nobody has signed in" in refusal(Many)


def test_an_override_keeps_what_is_allowed_and_what_it_is_told() -> None:
    class Base(DomainModel, collection="allow_base"):
        @mutation(allow=signed_in)
        def act(self, who: Principal) -> None: ...

    class Same(Base):
        @mutation
        def act(self, who: Principal) -> None: ...

    [definition] = declared_mutations(Same)
    assert definition.allow == Allow(signed_in, False)

    class Other(Base):
        @mutation(allow=lambda principal: True)
        def act(self, who: Principal) -> None: ...

    assert "with another allow=" in refusal(Other)

    class Fewer(Base):
        @mutation
        def act(self) -> None: ...  # type: ignore[override]

    assert "with other parameters" in refusal(Fewer)


async def test_what_it_answers() -> None:
    async def later(principal: Principal) -> bool:
        return principal.is_signed_in

    for ask in (signed_in, later):
        allow = Allow.of("here", ask, True)
        await allow.check(ADA)
        with pytest.raises(Unauthenticated):
            await allow.check(ANONYMOUS)
    for no in (False, None, 0, ""):
        with pytest.raises(Forbidden):
            await Allow.of("here", lambda principal, no=no: no, True).check(ADA)
    with pytest.raises(KeyError):
        await Allow.of("here", lambda principal: principal.claims["x"], True).check(ADA)
