"""Does what the forms of one kind say, and writes back what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bff.datastore.port import Datastore, Merge, Write
from bff.datastore.session import TransactionSession, transaction
from bff.document import Document
from bff.model.form import Form, FormRefused
from bff.model.form_error import FormError
from bff.projection.handled import Handled, what_happened
from bff.projection.handling import Handling, HandlingOptions
from bff.types import Value

__all__ = ["Forms"]

FAILED = FormError(None, "INTERNAL", "this could not be done; it is kept for somebody to look at")


class Forms(Handling):
    """The forms of one class (a Subject).

    What a form does, what it is told of that, and the note that it is done are one commit. One that is refused is told why, in
    one commit with the note of that; it is looked at again when it is written again. One that is done is not done again,
    whatever is written to it, nor when it is deleted and written anew.
    """

    def __init__(self, datastore: Datastore, form: type[Form], options: HandlingOptions) -> None:
        self._form = form
        self._path = form.__form__.path
        self._entries = form.__form__.entries()
        collection = self._path.collection
        if collection is not None:
            super().__init__(datastore, form.__form__.name, [collection], options)
        else:
            super().__init__(datastore, form.__form__.name, [], options, groups=[self._path.group])

    def concerns(self, document: Document) -> bool:
        return self._path.match(document.path) is not None

    async def handle(self, session: TransactionSession, document: Document, before: Handled | None) -> Handled | None:
        parameters = self._path.match(document.path)
        if parameters is None or what_happened(document, before) is None:
            return before
        done = before is not None and before.data is not None
        if document.data is None:
            return before if done else None
        if before is not None and before.data is not None:
            # The client has overwritten what it was told, perhaps. It is told again.
            return self._told(session, document, before.data, done=True)
        form = self._form(parameters)
        await form.fill(self._entries, document.data)
        return self._told(session, document, _outcome("done", (), form.result), done=True)

    async def run(self, path: str, *, forced: bool, tried: list[int]) -> None:
        try:
            await super().run(path, forced=forced, tried=tried)
        except FormRefused as refused:
            errors = refused.errors
            # What it did until then is gone with its unit of work. This is another one.
            await transaction(self._datastore, lambda session: self._refuse(session, path, tried[-1], errors))

    async def _refuse(self, session: TransactionSession, path: str, version: int, errors: Sequence[FormError]) -> None:
        document, note = await self.read(session, path)
        if document.update_time != version or (note is not None and note.seen >= version):
            return  # it was written again, or somebody else was here
        after = self._told(session, document, _outcome("error", errors, None), done=False)
        self.write_note(session, path, after)

    def _told(self, session: TransactionSession, document: Document, outcome: Mapping[str, Value], *, done: bool) -> Handled:
        session.unit.write(Merge(document.path, outcome))
        return Handled(self.name, document.path, document.update_time, outcome if done else None, own=True)

    def gave_up(self, document: Document) -> Sequence[Write]:
        if document.data is None:
            return ()
        return [Merge(document.path, _outcome("failed", [FAILED], None))]


def _outcome(status: str, errors: Sequence[FormError], result: Mapping[str, Value] | None) -> dict[str, Value]:
    told: list[Value] = [error.to_data() for error in errors]
    return {"status": status, "errors": told, "result": None if result is None else dict(result)}
