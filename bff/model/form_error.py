"""What is wrong with a form, for its client to see."""

from __future__ import annotations

from dataclasses import dataclass

from bff.errors import BadUserInput, BFFError, message_of
from bff.types import Value

__all__ = ["FormError"]


@dataclass(frozen=True, slots=True)
class FormError:
    """``field`` is the name that the field has in the document, None where it is about the whole."""

    field: str | None
    code: str
    message: str

    @classmethod
    def of(cls, error: Exception, field: str | None) -> FormError:
        """What an entry, or ``submit``, raised to say no. One that names its own field (BadUserInput) is about that."""
        if isinstance(error, BadUserInput) and error.path:
            field = str(error.path[-1])
        if isinstance(error, BFFError):
            return cls(field, error.code, message_of(error))
        return cls(field, "BAD_VALUE", str(error))

    def to_data(self) -> dict[str, Value]:
        return {"field": self.field, "code": self.code, "message": self.message}
