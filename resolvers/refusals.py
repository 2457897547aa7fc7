"""What a domain model refuses to hold: while a mutation runs, that is a rule of the domain, and not a fault of the app."""

from __future__ import annotations

from pydantic import ValidationError

from bff.errors import BadUserInput
from bff.model.catalog import Catalog
from bff.model.declared import known_subclasses

__all__ = ["model_refusal"]


def model_refusal(error: Exception, catalog: Catalog, path: list[str | int] | None = None) -> BadUserInput | None:
    """The error for the client, where a DomainModel has refused a value that it was assigned, or made with; None where not.

    ``path`` is the argument that the value is, if that is known. A value that was not given at all is the code's own doing, and
    so is what models refuse that are no documents of the app.
    """
    if not isinstance(error, ValidationError):
        return None
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    documents = {model.__name__ for one in catalog.models.values() for model in (one, *known_subclasses(one))}
    if error.title not in documents or any(problem["type"] == "missing" for problem in problems):
        return None
    where = path or [error.title, *problems[0]["loc"]]
    message = str(problems[0]["msg"]).removeprefix("Value error, ")
    return BadUserInput(f"{'.'.join(map(str, where))}: {message}", path)
