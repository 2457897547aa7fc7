"""The root types: what can be asked, done and followed."""

# mypy: untyped-calls-exclude=graphene
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import graphene

from bff.errors import DeclarationError
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.mutation import MutationDefinition
from bff.model.view_model import ViewModel
from bff.naming import pascal
from bff.schema.changes import change
from bff.schema.connections import connection
from bff.schema.errors import Errors
from bff.schema.filters import Filters
from bff.schema.inputs import Inputs
from bff.schema.names import check_name, describe_class
from bff.schema.shape import LinkShape, ListShape, ScalarShape, Shape, shape_of
from bff.schema.types import NodeInterface, Types, object_type

__all__ = ["Operations"]

ID = graphene.NonNull(graphene.ID)
REQUIRED_ID = ScalarShape(graphene.ID)
TIMEPOINT = ScalarShape(graphene.String)
COMMITTED_AT = "The timepoint of its commit: a view whose `version` is not smaller has seen it."


@dataclass(slots=True)
class Operations:
    """Makes Query, Mutation and Subscription of a catalog."""

    catalog: Catalog
    types: Types
    inputs: Inputs
    filters: Filters
    _payloads: dict[str, Any] = field(default_factory=dict)
    _connections: dict[type[ViewModel], Any] = field(default_factory=dict)
    _selections: dict[type[ViewModel], tuple[Any | None, Any | None]] = field(default_factory=dict)
    _errors: Errors = field(init=False)

    def __post_init__(self) -> None:
        self._errors = Errors(self.types)

    def query(self) -> Any:
        fields = []
        for view in self.catalog.views.values():
            definition = view.__view__
            one = self._root(definition.query_name, self.types.view(view), definition.name)
            one.args["id"] = _argument(ID, description="Its key.")
            one.description = definition.description
            many = self._root(definition.list_name, graphene.NonNull(self._connection(view)), definition.name)
            many.args.update(self._list_arguments(view))
            # Which views a list has is as much its content as what they show.
            self.types.mark_age("Query", definition.list_name, definition.max_age or 0)
            many.description = f"{definition.name}s, a page at a time: the `first` after a cursor, or the `last` before one."
            fields += [one, many]
        node = self._root("node", NodeInterface, "node")
        node.args["id"] = _argument(ID, description="A key, or `Type:key` where several views have that key.")
        node.description = "Any view, by its key."
        return object_type("Query", [*fields, node], None, "Query")

    def mutation(self) -> Any | None:
        fields = [self._mutation(one) for one in self.catalog.mutations.values()]
        fields += [self._update(view) for view in self.catalog.views.values() if view.__view__.has_setters]
        return object_type("Mutation", fields, None, "Mutation") if fields else None

    def subscription(self) -> Any | None:
        fields = []
        for view in self.catalog.views.values():
            definition = view.__view__
            one = self._root(definition.query_name, self.types.view(view), definition.name)
            one.args["id"] = _argument(ID, description="Its key.")
            one.description = f"The {definition.name} as it is now, and after every change; null once it is gone."
            changed = change(self.types, view, self._connection(view))
            many = self._root(definition.list_name, graphene.NonNull(changed), definition.name)
            many.args.update(self._selection_arguments(view))
            many.description = f"The first {definition.name}s of a list as they are now, and then each change of them."
            fields += [one, many]
        return object_type("Subscription", fields, None, "Subscription") if fields else None

    def _root(self, name: str, type_: Any, where: str) -> graphene.Field:
        return graphene.Field(type_, name=check_name(name, where))

    def _connection(self, view: type[ViewModel]) -> Any:
        """The view's connection, the same for queries and live lists."""
        if view not in self._connections:
            self._connections[view] = connection(self.types, view)
        return self._connections[view]

    def _selection_arguments(self, view: type[ViewModel]) -> dict[str, graphene.Argument]:
        """Which views, in what order, and how many: ``filter``, ``orderBy``, ``first``."""
        arguments: dict[str, graphene.Argument] = {}
        if view not in self._selections:
            self._selections[view] = self.filters.filter(view), self.filters.order(view)
        selection, order = self._selections[view]
        if selection is not None:
            arguments["filter"] = _argument(selection)
        if order is not None:
            arguments["orderBy"] = _argument(graphene.List(graphene.NonNull(order)), description="By key where absent.")
        arguments["first"] = _argument(graphene.Int, description="At most so many, from the start.")
        return arguments

    def _list_arguments(self, view: type[ViewModel]) -> Mapping[str, graphene.Argument]:
        arguments = self._selection_arguments(view)
        arguments["after"] = _argument(graphene.String, description="Only what comes after this cursor.")
        arguments["last"] = _argument(graphene.Int, description="At most so many, from the end.")
        arguments["before"] = _argument(graphene.String, description="Only what comes before this cursor.")
        return arguments

    def _mutation(self, definition: MutationDefinition) -> graphene.Field:
        where = f"{definition.owner.__name__}.{definition.attribute}"
        one = self._root(definition.name, self._returned(definition, where), where)
        if _on_document(definition):
            one.args["id"] = _argument(ID, description=f"The id of the {definition.owner.__name__}.")
        for parameter in definition.parameters:
            name = check_name(parameter.graphql_name, where)
            if name in one.args:
                raise DeclarationError(where, f"two arguments of {definition.name} would be named {name}: rename the parameter")
            one.args[name] = self.inputs.argument(parameter, where)
        one.description = definition.description
        one.deprecation_reason = definition.deprecated
        return one

    def _update(self, view: type[ViewModel]) -> graphene.Field:
        definition = view.__view__
        one = self._root(definition.update_name, graphene.NonNull(self.types.view(view)), definition.name)
        one.args["id"] = _argument(ID, description="Its key.")
        one.args["input"] = _argument(graphene.NonNull(self.inputs.setters(view)))
        one.description = f"Change a {definition.name}, all of it or nothing."
        return one

    def _returned(self, definition: MutationDefinition, where: str) -> Any:
        """A view, or a payload: ``TicketPayload`` where there is nothing else to say, else one of the mutation's own."""
        shape = None if definition.returns is None else shape_of(definition.returns, f"{where} (what it returns)")
        if definition.errors:
            return self._result(definition, shape, where)
        if shape is not None and _is_view(shape):
            return self.types.of(shape)
        return graphene.NonNull(self._payload(definition, shape, where))

    def _result(self, definition: MutationDefinition, shape: Shape | None, where: str) -> Any:
        """``union MeetingCloseResult``: the view or the payload of a success, then the errors that are listed.

        Several views, or one that may be absent, are no member of a union: they are the ``result`` of a payload.
        """
        if isinstance(shape, LinkShape) and not shape.nullable:
            success, name = self.types.view(shape.view), shape.view.__view__.name
        else:
            payload = self._payload(definition, shape, where)
            success, name = payload, payload._meta.name
        self.types.marks["Mutation", definition.name] = {"bff.success": name}
        return graphene.NonNull(self._errors.result(definition, success, where))

    def _payload(self, definition: MutationDefinition, shape: Shape | None, where: str) -> Any:
        """``TicketPayload``, or a payload of the mutation's own."""
        owner = definition.owner
        on_document = _on_document(definition)
        own = shape is not None or not on_document
        name = f"{pascal(definition.name)}Payload" if own else f"{owner.__name__}Payload"
        if name not in self._payloads:
            what = f"the payload of {where}" if own else f"the payload of {describe_class(owner)}'s mutations"
            self.types.names.claim(name, ("payload", definition.name if own else owner), what)
            fields = []
            if on_document:
                fields.append(self.types.field(name, "id", REQUIRED_ID, where, description=f"The id of the {owner.__name__}."))
            fields.append(self.types.field(name, "committedAt", TIMEPOINT, where, description=COMMITTED_AT))
            if shape is not None and _is_view(shape):
                # Views as they are after the commit, not keys of what is stored: no mark that says so.
                fields.append(graphene.Field(self.types.of(shape), name="result", description="As it is after the commit."))
            elif shape is not None:
                fields.append(self.types.field(name, "result", shape, where, description="What it returned."))
            about = f"What {definition.name} did." if own else f"What a mutation of a {owner.__name__} did."
            self._payloads[name] = object_type(name, fields, about, where)
        return self._payloads[name]


def _argument(type_: Any, description: str | None = None) -> graphene.Argument:
    return graphene.Argument(type_, description=description)


def _on_document(definition: MutationDefinition) -> bool:
    """Whether it is of a document that clients name: neither a Mediator's nor a classmethod."""
    return definition.on_instance and issubclass(definition.owner, DomainModel)


def _is_view(shape: Shape) -> bool:
    """Whether a mutation's result is a view, or a list of them: then it is the field's own value."""
    return isinstance(shape.item if isinstance(shape, ListShape) else shape, LinkShape)
