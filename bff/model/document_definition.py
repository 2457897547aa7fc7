"""What a DomainModel class declares, in one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from bff.model.codec import Codec
from bff.model.mutation import MutationDefinition
from bff.model.naming import Naming
from bff.model.plain_reader import PlainReader, plain_reader

if TYPE_CHECKING:
    from bff.model.domain_model import DomainModel

__all__ = ["DocumentDefinition", "DocumentField"]


class DocumentField(NamedTuple):
    """One field of a document: ``hearing_aid_requested`` of a model, ``hearingAidRequested`` of its documents."""

    name: str
    document_name: str
    annotation: Any
    codec: Codec


@dataclass(frozen=True)
class DocumentDefinition:
    """A class of documents. ``fields`` are by Python name; the id is not among them: it is the document's own."""

    name: str
    collection: str
    model: type[DomainModel]
    naming: Naming
    fields: Mapping[str, DocumentField]
    declared_mutations: Callable[[], tuple[MutationDefinition, ...]] = field(repr=False)

    @cached_property
    def by_document_name(self) -> Mapping[str, DocumentField]:
        return {declared.document_name: declared for declared in self.fields.values()}

    @cached_property
    def plain_reader(self) -> PlainReader | None:
        """Makes models of its documents without pydantic, where that comes to the same."""
        return plain_reader(self)

    @cached_property
    def mutations(self) -> tuple[MutationDefinition, ...]:
        """Its mutations, inherited ones included. Raises DeclarationError where an annotation is wrong or unknown."""
        return self.declared_mutations()
