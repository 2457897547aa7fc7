"""A Session over a dict, with the queries of bff.matching."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from bff.document import Document, join_path
from bff.errors import Conflict
from bff.matching import run
from bff.model.domain_model import DomainModel
from bff.model.find import Find

M = TypeVar("M", bound=DomainModel)


class MemorySession:
    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.writes = 0

    async def get(self, model: type[M], ids: Sequence[str]) -> list[M | None]:
        found = [self.documents.get(join_path(model.__collection__, id)) for id in ids]
        return [None if one is None or not model.holds(one) else model.from_document(one) for one in found]

    async def find(self, find: Find[M]) -> list[M]:
        return [find.model.from_document(document) for document in run(find.to_query(), self.documents.values())]

    async def save(self, *models: DomainModel) -> None:
        for model in models:
            if model.create_only and model.path in self.documents:
                raise Conflict(f"{model.path} exists already")
            changed, removed = model.changes()
            if not changed and not removed:
                continue
            self.writes += 1
            before = {} if model.is_new else self.documents[model.path].data or {}
            data = {name: value for name, value in before.items() if name not in removed} | changed
            self.documents[model.path] = Document(model.path, data, self.writes)
            model.mark_stored(self.writes)

    async def delete(self, *models: DomainModel) -> None:
        for model in models:
            self.documents.pop(model.path, None)
