"""What one operation uses of a schema, as schema coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    ArgumentNode,
    DocumentNode,
    EnumValueNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    NamedTypeNode,
    ObjectFieldNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableDefinitionNode,
    Visitor,
    get_named_type,
    is_input_type,
    type_from_ast,
    visit,
)

__all__ = ["Usage", "usage_of"]


@dataclass(slots=True)
class Usage:
    """``asked``: fields and types that the document itself names. ``given``: input types, their fields and enum values.

    ``sent`` are those of ``given`` that the values of its variables may hold: what is in them the document does not say.
    ``told_apart`` are object types, each with an interface that a fragment takes it for, among others: what that fragment
    selects is missing from the result, without an error, where the object is no longer of that type.
    """

    asked: set[str] = field(default_factory=set)
    given: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    told_apart: set[tuple[str, str]] = field(default_factory=set)


def usage_of(schema: GraphQLSchema, document: DocumentNode) -> Usage:
    """What a document uses, as far as the schema knows of it."""
    info, usage = TypeInfo(schema), Usage()
    conditions = {
        one.name.value: one.type_condition.name.value for one in document.definitions if isinstance(one, FragmentDefinitionNode)
    }
    visit(document, TypeInfoVisitor(info, _Collect(schema, info, usage, conditions)))
    usage.given |= usage.sent
    return usage


class _Collect(Visitor):
    def __init__(self, schema: GraphQLSchema, info: TypeInfo, usage: Usage, conditions: Mapping[str, str]) -> None:
        super().__init__()
        self._schema = schema
        self._info = info
        self._usage = usage
        self._conditions = conditions

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent, definition = self._info.get_parent_type(), self._info.get_field_def()
        if parent is None or definition is None:
            return
        self._usage.asked |= {parent.name, f"{parent.name}.{node.name.value}", get_named_type(definition.type).name}

    def enter_argument(self, node: ArgumentNode, *_: Any) -> None:
        parent, field_name = self._info.get_parent_type(), self._info.get_field_def()
        directive = self._info.get_directive()
        if directive is not None:
            self._usage.asked |= {f"@{directive.name}", f"@{directive.name}({node.name.value}:)"}
        elif parent is not None and field_name is not None:
            names = [name for name, one in getattr(parent, "fields", {}).items() if one is field_name]
            self._usage.asked |= {f"{parent.name}.{name}({node.name.value}:)" for name in names}

    def enter_directive(self, *_: Any) -> None:
        directive = self._info.get_directive()
        if directive is not None:
            self._usage.asked.add(f"@{directive.name}")

    def enter_object_field(self, node: ObjectFieldNode, *_: Any) -> None:
        # The innermost type is that of the field's value; its holder is the one before.
        holder = get_named_type(self._info.get_parent_input_type())
        if isinstance(holder, GraphQLInputObjectType):
            self._usage.given |= {holder.name, f"{holder.name}.{node.name.value}"}

    def enter_enum_value(self, node: EnumValueNode, *_: Any) -> None:
        type_ = get_named_type(self._info.get_input_type())
        if isinstance(type_, GraphQLEnumType):
            self._usage.given |= {type_.name, f"{type_.name}.{node.value}"}

    def enter_inline_fragment(self, node: InlineFragmentNode, *_: Any) -> None:
        if node.type_condition is not None:
            self._tell_apart(node.type_condition.name.value)

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        if node.name.value in self._conditions:
            self._tell_apart(self._conditions[node.name.value])

    def _tell_apart(self, name: str) -> None:
        parent, type_ = self._info.get_parent_type(), self._schema.type_map.get(name)
        if (
            isinstance(type_, GraphQLInterfaceType)
            and isinstance(parent, GraphQLInterfaceType | GraphQLUnionType)
            and type_ is not parent
        ):
            possible = self._schema.get_possible_types(parent)
            self._usage.told_apart |= {(one.name, name) for one in possible if self._schema.is_sub_type(type_, one)}

    def enter_named_type(self, node: NamedTypeNode, *_: Any) -> None:
        self._usage.asked.add(node.name.value)

    def enter_variable_definition(self, node: VariableDefinitionNode, *_: Any) -> None:
        type_ = type_from_ast(self._schema, node.type)
        if is_input_type(type_):
            self._send(get_named_type(type_))

    def _send(self, type_: GraphQLNamedType | GraphQLInputType | None) -> None:
        match type_:
            case GraphQLEnumType():
                self._usage.sent |= {type_.name, *(f"{type_.name}.{value}" for value in type_.values)}
            case GraphQLInputObjectType() if type_.name not in self._usage.sent:
                self._usage.sent.add(type_.name)
                for name, one in type_.fields.items():
                    self._usage.sent.add(f"{type_.name}.{name}")
                    self._send(get_named_type(one.type))
            case _:
                pass
