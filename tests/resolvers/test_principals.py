"""Which parameter of a resolver is the Principal."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from bff.errors import DeclarationError
from bff.principal import Principal
from bff.resolvers.principals import principal_parameter


def test_the_one_that_is_annotated_so() -> None:
    def plain(source: Any, info: Any, name: str = "") -> None: ...
    def told(source: Any, info: Any, who: Principal) -> None: ...
    def by_name(source: Any, info: Any, *, who: Principal) -> None: ...

    assert principal_parameter(plain, ()) is None
    assert principal_parameter(told, {"name"}) == "who"
    assert principal_parameter(by_name, ()) == "who"
    assert principal_parameter(partial(told), ()) == "who"
    assert principal_parameter(int, ()) is None


def test_cwe_639_what_could_be_an_argument_is_refused() -> None:
    def told(source: Any, info: Any, who: Principal) -> None: ...
    def twice(source: Any, info: Any, one: Principal, other: Principal) -> None: ...
    def starred(source: Any, info: Any, **who: Principal) -> None: ...
    def placed(source: Any, info: Any, who: Principal, /) -> None: ...

    for resolve, says in (
        (twice, "both the Principal"),
        (starred, "passed by name"),
        (placed, "passed by name"),
    ):
        with pytest.raises(DeclarationError, match=says):
            principal_parameter(resolve, ())
    with pytest.raises(DeclarationError, match="an argument of the field"):
        principal_parameter(told, {"who"})
