"""Errors as data: the object types of the DomainErrors that mutations list, and the unions that they are part of."""

# mypy: untyped-calls-exclude=graphene
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import graphene

from bff.errors import DomainError
from bff.model.error_definition import ErrorDefinition, ErrorField
from bff.model.mutation import MutationDefinition
from bff.naming import pascal
from bff.schema.names import describe_class
from bff.schema.shape import shape_of
from bff.schema.types import Types, object_type

__all__ = ["ErrorInterface", "Errors"]


class ErrorInterface(graphene.Interface):
    """What a rule of the domain says no with. Nothing was written."""

    class Meta:
        name = "Error"

    code = graphene.String(required=True, description="Which rule it is, for programs: it stays what it is.")
    message = graphene.String(required=True, description="What it says, for people.")


@dataclass(slots=True)
class Errors:
    """Makes the type of each error once, however many mutations list it."""

    types: Types
    _made: dict[type[DomainError], Any] = field(default_factory=dict)

    def result(self, definition: MutationDefinition, success: Any, where: str) -> Any:
        """The union of what a mutation answers: its success, and the errors that it lists. Raises DeclarationError."""
        name = f"{pascal(definition.name)}Result"
        self.types.names.claim(name, ("result", definition.name), f"the result of {where}")
        errors = [self._error(one) for one in definition.errors]

        def members() -> list[Any]:
            # A view's type is there only once every type has been made.
            made = success if isinstance(success, type) else success()
            return [made, *errors]

        return self.types.union(name, members, f"What {definition.name} did, or why it did not.")

    def _error(self, definition: ErrorDefinition) -> Any:
        error = definition.error
        if error not in self._made:
            place = f"the error {describe_class(error)}"
            self.types.names.claim("Error", ErrorInterface, "the interface of the errors that mutations list")
            self.types.names.claim(definition.name, error, place)
            fields = [self._field(definition.name, one) for one in definition.fields]
            self._made[error] = object_type(
                definition.name, fields, definition.description, describe_class(error), (ErrorInterface,)
            )
        return self._made[error]

    def _field(self, owner: str, one: ErrorField) -> graphene.Field:
        where = f"{owner}.{one.name}"
        return self.types.field(owner, one.graphql_name, shape_of(one.annotation, where), where)
