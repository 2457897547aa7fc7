"""What a mutation answers: the view as it is after the commit, or a payload."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, get_args, get_origin

from bff.errors import AnswerNotBuilt, AnswerUnknown, BuildError, DatastoreError, IncompleteBuild, NotFound
from bff.model.codec import Codec
from bff.model.domain_model import DomainModel
from bff.model.mutation import MutationDefinition
from bff.model.shape import CodecError
from bff.model.view_model import ViewModel
from bff.resolvers.arguments import strip
from bff.resolvers.context import Context
from bff.resolvers.view_document import ViewDocument
from bff.types import Timepoint, Value

__all__ = ["Answer", "answer_of", "fresh_views"]


class Answer(Protocol):
    """How what a function returned becomes the value of a mutation."""

    def prepare(self, id: str | None, returned: Any) -> Any:
        """What is needed of it, before the commit; ``id`` is the document's. Raises TypeError where it is not as declared."""
        ...

    async def give(self, context: Context, id: str | None, prepared: Any, committed: Timepoint) -> Any:
        """The value, after the commit."""
        ...


def answer_of(definition: MutationDefinition) -> Answer:
    annotation = strip(definition.returns)
    many = get_origin(annotation) is list
    if many:
        [annotation] = map(strip, get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, ViewModel):
        return ViewAnswer(definition, annotation, many)
    return PayloadAnswer(definition)


class ViewAnswer:
    """A view, or a list of them, read anew."""

    def __init__(self, definition: MutationDefinition, view: type[ViewModel], many: bool) -> None:
        self._where = _where(definition)
        self._view = view
        self._many = many
        self._nullable = type(None) in get_args(definition.returns)

    def prepare(self, id: str | None, returned: Any) -> list[str] | None:
        if self._many and isinstance(returned, list):
            return [self._key(one) for one in returned]
        if returned is not None and not self._many:
            return [self._key(returned)]
        if self._nullable:
            return None
        if id is None or self._many:
            raise self._wrong(returned)
        # A domain method names the view that it shows in: the one that is rooted in its document.
        return [id]

    async def give(self, context: Context, id: str | None, prepared: list[str] | None, committed: Timepoint) -> Any:
        if prepared is None:
            return None
        documents = await fresh_views(context, self._view, prepared)
        return documents if self._many else documents[0]

    def _key(self, returned: Any) -> str:
        if isinstance(returned, self._view):
            return returned.id
        roots = self._view.__view__.store.__store__.roots
        if isinstance(returned, DomainModel) and len(roots) == 1 and isinstance(returned, roots[0].model):
            return returned.id
        raise self._wrong(returned)

    def _wrong(self, returned: Any) -> TypeError:
        name = self._view.__view__.name
        return TypeError(f"{self._where} returned {type(returned).__name__}, not a {name}: return {name}.of(…)")


class PayloadAnswer:
    """The id of the document, when it was committed, and what the function returned, if it says that it returns something."""

    def __init__(self, definition: MutationDefinition) -> None:
        self._where = _where(definition)
        returns = definition.returns
        self._codec = None if returns is None else Codec.of(returns, f"{self._where} (what it returns)", view=True)

    def prepare(self, id: str | None, returned: Any) -> Value:
        if self._codec is None:
            return None
        try:
            return self._codec.encode(returned)
        except CodecError as error:
            raise TypeError(f"{self._where} returned something else than it says: {error}") from error

    async def give(self, context: Context, id: str | None, prepared: Value, committed: Timepoint) -> dict[str, Value]:
        return {"id": id, "committedAt": str(committed), "result": prepared}


async def fresh_views(context: Context, view: type[ViewModel], keys: Sequence[str]) -> list[ViewDocument]:
    """The views as the mutation left them.

    The commit has been made by now, and no error may say otherwise. Raises NotFound for a view that the mutation did away with,
    AnswerUnknown where the datastore cannot be read, or not be built from as fast as others write, AnswerNotBuilt where a view
    cannot be built at all: the errors behind them would say that trying again is safe.
    """
    name = view.__view__.name
    try:
        found = await context.fresh(view, keys)
    except (DatastoreError, IncompleteBuild) as error:
        raise AnswerUnknown(f"the mutation was done, and the {name} that it answers with could not be read: {error}") from error
    except BuildError as error:
        raise AnswerNotBuilt(f"the mutation was done, and the {name} that it answers with could not be built: {error}") from error
    documents = []
    for key, document in zip(keys, found, strict=True):
        if document is None:
            raise NotFound(f"the mutation was done, and there is no {name} {key!r} to answer with")
        documents.append(document)
    return documents


def _where(definition: MutationDefinition) -> str:
    return f"{definition.owner.__name__}.{definition.attribute}"
