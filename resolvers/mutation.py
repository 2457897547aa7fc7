"""Mutations: a domain method or a Mediator's function, in one serializable unit of work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from graphql import GraphQLFieldResolver, GraphQLResolveInfo

from bff.datastore.session import TransactionSession
from bff.document import join_path
from bff.errors import NotFound
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.mutation import MutationDefinition
from bff.model.parameter import Parameter
from bff.resolvers.answer import answer_of
from bff.resolvers.arguments import Path, argument_at, storable_value
from bff.resolvers.context import Context
from bff.resolvers.errors import MemberAnswer, listed_error
from bff.resolvers.refusals import model_refusal
from bff.resolvers.unit import unit
from bff.types import Value

__all__ = ["mutation_resolver"]


def mutation_resolver(definition: MutationDefinition, catalog: Catalog, success: str | None = None) -> GraphQLFieldResolver:
    """Calls the function with its arguments validated and its documents loaded; answers what is so after the commit.

    ``success`` is the member of its result union that a success is, where it has such a union.
    """
    answer = answer_of(definition) if success is None else MemberAnswer(answer_of(definition), success)
    owner = definition.owner
    on_document = definition.on_instance and issubclass(owner, DomainModel)
    # A Mediator may inherit its mutations: it is the one in the app that runs.
    mediator = next((one for one in catalog.mediators if issubclass(one, owner)), None)
    allow = definition.allow

    async def resolve(_: Any, info: GraphQLResolveInfo, /, **arguments: Any) -> Any:
        context = cast(Context, info.context)
        if allow is not None and not allow.of_document:
            await allow.check(context.principal)

        async def work(session: TransactionSession) -> Value:
            # A unit of work is begun again after a conflict: with arguments that nobody has changed.
            id = arguments["id"] if on_document else None
            # One read for all of them; what follows finds them in the unit of work.
            await session.unit.get(_wanted(definition, id, arguments))
            target: Any = owner if id is None else await _document(session, cast("type[DomainModel]", owner), id)
            if allow is not None and allow.of_document:
                await allow.check(context.principal, target)
            values = {
                parameter.name: await _value(session, parameter, arguments[parameter.graphql_name])
                for parameter in definition.parameters
                if parameter.graphql_name in arguments
            }
            if definition.principal is not None:
                values[definition.principal] = context.principal
            if mediator is not None:
                returned = await mediator().run(definition.attribute, **values)
            else:
                target = owner if id is None else await _document(session, cast("type[DomainModel]", owner), id)
                returned = await definition.call(target, values)
            # Checked before the commit: a function that returns what it does not say changes nothing.
            return [id, answer.prepare(id, returned)]

        try:
            done = await unit(context, info, work)
        except Exception as error:
            listed = listed_error(definition, error)
            if listed is not None:
                return listed
            refusal = model_refusal(error, catalog)
            if refusal is None:
                raise
            raise refusal from error
        context.renew()
        id, prepared = cast("tuple[str | None, Any]", done.result)
        try:
            # While it is flushed. Nobody is told of what was built before that is done.
            return await answer.give(context, id, prepared, done.timepoint)
        finally:
            await done.commit.flushed()

    return resolve


def _wanted(definition: MutationDefinition, id: str | None, arguments: Mapping[str, Any]) -> list[str]:
    """The paths of the documents that arrive loaded. Raises BadUserInput for an id that no document can have."""
    owner = definition.owner
    wanted = [_path(owner, id, ["id"])] if id is not None and issubclass(owner, DomainModel) else []
    for parameter in definition.parameters:
        given = arguments.get(parameter.graphql_name)
        if parameter.model is None or given is None:
            continue
        where: Path = [parameter.graphql_name]
        if parameter.many:
            wanted += [_path(parameter.model, one, [*where, index]) for index, one in enumerate(given)]
        else:
            wanted.append(_path(parameter.model, given, where))
    return wanted


def _path(model: type[DomainModel], id: str, where: Path) -> str:
    with argument_at(where):
        return join_path(model.__document__.collection, id)


async def _value(session: TransactionSession, parameter: Parameter, given: Any) -> Any:
    """What the function is given for a parameter."""
    if parameter.model is None:
        assert parameter.codec is not None, "what is not a document has a codec"
        return storable_value(parameter.codec, given, [parameter.graphql_name])
    if given is None:
        return None
    if parameter.many:
        return [await _document(session, parameter.model, one) for one in given]
    return await _document(session, parameter.model, given)


async def _document(session: TransactionSession, model: type[DomainModel], id: str) -> DomainModel:
    [found] = await session.get(model, [id])
    # A query on a class finds its subclasses, and a subclass is never its sibling.
    if not isinstance(found, model):
        raise NotFound(f"there is no {model.__name__} {id!r}")
    return found
