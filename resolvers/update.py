"""Updates: the setters of a view, in one serializable unit of work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from graphql import GraphQLFieldResolver, GraphQLResolveInfo

from bff.datastore.session import TransactionSession
from bff.errors import BadUserInput, Forbidden, NotFound
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.evaluation import open_for_writing
from bff.model.field import FieldDefinition
from bff.model.hidden_fields import VIEW_READERS
from bff.model.readers import Readers
from bff.model.store import Store
from bff.model.view_model import ViewModel
from bff.principal import Principal
from bff.projection.loading import Loading, load
from bff.resolvers.answer import fresh_views
from bff.resolvers.arguments import Path, argument_at, storable_value
from bff.resolvers.context import Context
from bff.resolvers.refusals import model_refusal
from bff.resolvers.unit import unit

__all__ = ["update_resolver"]


def update_resolver(view: type[ViewModel], catalog: Catalog) -> GraphQLFieldResolver:
    """Runs the setters of the fields that the input names, on the documents that the view is made of."""
    definition = view.__view__
    fields = {one.document_name: one for one in definition.fields.values() if one.setter is not None}

    async def resolve(_: Any, info: GraphQLResolveInfo, *, id: str, input: Mapping[str, Any]) -> Any:
        context = cast(Context, info.context)
        with argument_at(["id"]):
            view.split_key(id)
        if not input:
            raise BadUserInput(f"input: name at least one of {', '.join(fields)}", ["input"])

        async def work(session: TransactionSession) -> None:
            values = {name: _given(fields, name, given) for name, given in input.items()}
            opened = open_for_writing(view, id, await _store(session, view, id))
            _check(opened, id, [fields[name] for name in values], context.principal)
            for name, value in values.items():
                try:
                    setattr(opened, fields[name].name, value)
                except Exception as error:
                    refusal = model_refusal(error, catalog, ["input", name])
                    if refusal is None:
                        raise
                    raise refusal from error

        done = await unit(context, info, work)
        context.renew()
        try:
            [document] = await fresh_views(context, view, [id])
        finally:
            await done.commit.flushed()
        return document

    return resolve


def _check(opened: ViewModel, key: str, fields: Sequence[FieldDefinition], principal: Principal) -> None:
    """CWE-862: what somebody may not see, they do not change either. Raises NotFound, as where there is none, and Forbidden."""
    definition = type(opened).__view__
    if definition.has_readers and not _may(definition.stored[VIEW_READERS], opened, principal):
        raise _absent(definition.name, key)
    for one in fields:
        if one.readers is not None and not _may(definition.stored[one.readers], opened, principal):
            raise Forbidden(f"input.{one.document_name}: you may not change this")


def _may(readers: FieldDefinition, opened: ViewModel, principal: Principal) -> bool:
    found: Readers = readers.getter(opened)
    return found.allow(principal)


def _absent(name: str, key: str) -> NotFound:
    return NotFound(f"there is no {name} {key!r}")


def _given(fields: Mapping[str, FieldDefinition], name: str, given: Any) -> Any:
    """What a setter is called with."""
    path: Path = ["input", name]
    if name not in fields:
        # Hand-written SDL may extend an input; nothing here knows what it meant.
        raise BadUserInput(f"input.{name}: there is no setter for it", path)
    codec = fields[name].setter_codec
    assert codec is not None, "a field with a setter has a codec for it"
    return storable_value(codec, given, path)


async def _store(session: TransactionSession, view: type[ViewModel], key: str) -> Store:
    """The view's store, its documents part of the unit of work: what a setter changes of them is saved."""
    loading = Loading(view, key)
    await load([loading], session.unit)
    if loading.error is not None:
        raise loading.error
    if loading.absent:
        raise _absent(view.__view__.name, key)
    values: dict[str, Any] = {}
    for name, loaded in loading.values.items():
        # A document that two references read is one object: two would save over one another.
        adopted = [await _adopt(session, model) for model in _listed(loaded)]
        values[name] = adopted if isinstance(loaded, list) else next(iter(adopted), None)
    return view.__view__.store(values)


async def _adopt(session: TransactionSession, model: DomainModel) -> DomainModel:
    [document] = await session.unit.get([model.path])
    adopted = session.adopt(type(model), document)
    assert adopted is not None, "it was there a moment ago, in this very unit of work"
    return adopted


def _listed(loaded: Any) -> list[DomainModel]:
    if isinstance(loaded, list):
        return loaded
    return [] if loaded is None else [loaded]
