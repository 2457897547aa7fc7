"""How the Python names of a model become document names, and come back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bff.errors import DeclarationError
from bff.naming import to_camel, to_snake

__all__ = ["CAMEL", "SNAKE", "Naming", "naming_of"]


@dataclass(frozen=True, slots=True)
class Naming:
    """A pair of functions that are each other's inverse.

    ``class City(DomainModel, collection="cities", naming=Naming("upper", str.upper, str.lower))``

    ``to_document`` makes the document name of a Python name, ``to_python`` the Python name of a document name. A name that does
    not come back whole is refused where it is declared, so that no two fields can have one document name.
    """

    name: str
    to_document: Callable[[str], str]
    to_python: Callable[[str], str]

    def document_name(self, where: str, name: str) -> str:
        """The document name of a field. Raises DeclarationError where it does not convert back."""
        document_name = self.to_document(name)
        back = self.to_python(document_name)
        if back != name:
            raise DeclarationError(
                where,
                f"{name!r} becomes {document_name!r} in documents, which reads back as {back!r}; "
                f"rename it {back!r}, or choose another naming= for the model",
            )
        return document_name


def _same(name: str) -> str:
    return name


CAMEL = Naming("camel", to_camel, to_snake)
"""``num_hearing_aid`` ↔ ``numHearingAid``: the default."""

SNAKE = Naming("snake", _same, _same)
"""Document names are the Python names."""

_BY_NAME = {"camel": CAMEL, "snake": SNAKE}


def naming_of(where: str, naming: Naming | str) -> Naming:
    """``"camel"``, ``"snake"`` or a Naming. Raises DeclarationError."""
    if isinstance(naming, Naming):
        return naming
    if isinstance(naming, str) and naming in _BY_NAME:
        return _BY_NAME[naming]
    raise DeclarationError(where, f'naming={naming!r} is none of "camel", "snake" and Naming(name, to_document, to_python)')
