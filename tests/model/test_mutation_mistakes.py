# mypy: ignore-errors
"""Every mistake in a mutation fails where it is declared, and says the class, the parameter and the remedy."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from bff.model.domain_model import DomainModel
from bff.model.mutation import mutation
from tests.model.meeting_room import User, UserView
from tests.model.mistakes import Declare, Mistakes, refused

mistake = Mistakes()


@mistake("Meeting.close: the parameter 'when' needs an annotation, e.g. when: str")
def parameter_without_annotation() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, when) -> None: ...


@mistake("Meeting.close: *names cannot become GraphQL arguments; name each parameter")
def parameters_of_any_number() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, *names: str) -> None: ...


@mistake("Meeting.close: **names cannot become GraphQL arguments; name each parameter")
def parameters_of_any_name() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, **names: str) -> None: ...


@mistake("Meeting.close: when is passed by name; remove the / from the parameters")
def parameter_by_position() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, when: str, /) -> None: ...


@mistake("Meeting.close: a @mutation is a method; take self")
def mutation_without_self() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close() -> None: ...


@mistake("Meeting.close: a @mutation is a method or a classmethod; take self, or cls and @classmethod")
def static_mutation() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @staticmethod
        @mutation
        def close(when: int) -> None: ...

    return Meeting.__document__.mutations


@mistake("@mutation is for methods: put it on a def")
def mutation_on_a_property() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        @property
        def close(self) -> None: ...


@mistake("Meeting.close(tags): set[str] cannot be stored; use list[…]")
def parameter_of_an_unsupported_type() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, tags: set[str]) -> None: ...

    return Meeting.__document__.mutations


@mistake("Meeting.close(view): clients cannot give a UserView; take its id as a str, or a DomainModel")
def parameter_that_is_a_view() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, view: UserView) -> None: ...

    return Meeting.__document__.mutations


@mistake("Meeting.close: the argument id is the document's own; rename the parameter")
def parameter_named_id() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, id: str) -> None: ...

    return Meeting.__document__.mutations


@mistake("Meeting.close: two parameters become the argument 'userId'; rename one")
def parameters_of_one_name() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, user: User, user_id: str) -> None: ...

    return Meeting.__document__.mutations


@mistake("Meeting.close(_why): '_why' begins with an underscore")
def private_parameter() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, _why: str) -> None: ...

    return Meeting.__document__.mutations


@mistake("Meeting.close(__why): names that begin with two underscores are reserved by GraphQL")
def parameter_reserved_by_graphql() -> Any:
    namespace: dict[str, Any] = {}
    exec("def close(self, __why: str) -> None: ...", namespace)
    close = mutation(namespace["close"])
    close.__module__ = __name__
    meeting: Any = type(DomainModel)("Meeting", (DomainModel,), {"close": close, "__module__": __name__}, collection="meetings")
    return meeting.__document__.mutations


@mistake("Meeting.close(when): the default is not of its type: expected int, got str 'now'")
def default_of_another_type() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, when: int = "now") -> None: ...

    return Meeting.__document__.mutations


@mistake("Meeting.close(when): the default is None, which the annotation does not allow; annotate … | None")
def default_that_is_none() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, when: int = None) -> None: ...  # noqa: RUF013

    return Meeting.__document__.mutations


@mistake("Meeting.owner: clients never see a User as it is; return a ViewModel")
def mutation_that_returns_a_document() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def owner(self) -> User: ...

    return Meeting.__document__.mutations


@mistake("Meeting.close: 'Sesion' uses the name 'Sesion', which is not defined")
def mutation_that_returns_what_is_unknown() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation(returns="Sesion")
        def close(self) -> None: ...

    return Meeting.__document__.mutations


@mistake("Meeting.close: 'close!' is no GraphQL name")
def mutation_with_a_name_that_is_none() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation(name="close!")
        def close(self) -> None: ...

    return Meeting.__document__.mutations


@mistake(
    "Talk.close: it overrides the mutation meetingClose of Meeting with other parameters; keep them, or call the method otherwise"
)
def override_with_other_parameters() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self) -> None: ...

    class Talk(Meeting):
        @mutation
        def close(self, when: int) -> None: ...

    return Talk.__document__.mutations


@mistake("Meeting.end: close is called 'finish' too; give one a name=")
def two_mutations_of_one_name() -> Any:
    class Meeting(DomainModel, collection="meetings"):
        @mutation(name="finish")
        def close(self) -> None: ...

        @mutation(name="finish")
        def end(self) -> None: ...

    return Meeting.__document__.mutations


@mistake.each
def test_a_mistake_is_refused_with_class_field_and_remedy(declare: Declare, message: str) -> None:
    refused(declare, message)


def test_annotated_parameters_are_described() -> None:
    class Meeting(DomainModel, collection="meetings"):
        @mutation
        def close(self, why: Annotated[str, Field(description="the reason")] = "") -> None: ...

    [close] = Meeting.__document__.mutations
    assert close.parameters[0].description == "the reason"
