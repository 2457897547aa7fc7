"""The index configuration of an app, in the format of ``firestore.indexes.json``.

Its definition: https://firebase.google.com/docs/reference/firestore/indexes
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLSchema, get_named_type

from bff.contract.recorded import RecordedOperation
from bff.indexes.composites import ASCENDING, DESCENDING, ELEMENTS, Composite, Listed, composites_of_list, composites_of_query
from bff.indexes.recorded import recorded_lists
from bff.model.catalog import Catalog
from bff.model.readers import READERS
from bff.model.store_queries import store_queries
from bff.model.view_model import ViewModel
from bff.unqueried import UNQUERIED

__all__ = ["IndexConfig", "index_config", "missing_from", "with_config"]

SIMPLE = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
INEQUALITIES: Final = frozenset({"ne", "lt", "lte", "gt", "gte", "notIn"})


@dataclass(frozen=True, slots=True)
class IndexConfig:
    """``indexes`` and ``exempt`` as the file has them. ``unknown`` are references whose query their declaration does not tell."""

    indexes: tuple[dict[str, Any], ...]
    exempt: tuple[dict[str, Any], ...]
    unknown: tuple[str, ...] = ()


def index_config(
    catalog: Catalog, schema: GraphQLSchema, depth: int, operations: Sequence[RecordedOperation] | None = None
) -> IndexConfig:
    """The composite indexes that lists and Stores of an app need, and the fields that need no index.

    ``depth`` is how many fields a list may be ordered by, and compared with by more than equality, at a time. With
    ``operations``, lists have the indexes of these operations; what a variable of theirs decides may be anything.
    """
    recorded = None if operations is None else recorded_lists(operations, catalog, schema)
    composites: set[Composite] = set()
    for query in () if recorded is None else recorded.queries:
        composites |= composites_of_query(query)
    exempt = [(collection, field) for collection, fields in UNQUERIED.items() for field in fields]
    unknown: list[str] = []
    for view in catalog.views.values():
        definition = view.__view__
        listed = listed_of(view, schema)
        if recorded is None or view in recorded.free:
            composites |= composites_of_list(listed, depth)
        asked = {*listed.equal, *listed.unequal, *listed.elements, *listed.ordered, listed.readers}
        stored = {"id", "version", *(field.document_name for field in definition.stored.values())}
        exempt += [(listed.collection, name) for name in sorted(stored - asked)]
        found = store_queries(definition.store)
        unknown += found.unknown
        for query in found.queries:
            composites |= composites_of_query(query)
    return IndexConfig(
        tuple(_index(one) for one in sorted(composites, key=lambda one: one.sort_key)),
        tuple({"collectionGroup": collection, "fieldPath": _path(field), "indexes": []} for collection, field in sorted(exempt)),
        tuple(sorted(set(unknown))),
    )


def listed_of(view: type[ViewModel], schema: GraphQLSchema) -> Listed:
    """What the schema lets clients ask of the view's list."""
    name = view.__view__.name
    collection = view.__view__.collection.rpartition("/")[2]
    selection, by = schema.type_map.get(f"{name}Filter"), schema.type_map.get(f"{name}OrderField")
    operators: dict[str, set[str]] = {}
    if isinstance(selection, GraphQLInputObjectType):
        for field_name, field in selection.fields.items():
            operand = get_named_type(field.type)
            if operand is not selection and isinstance(operand, GraphQLInputObjectType):
                operators[field_name] = set(operand.fields)
    ordered = [getattr(one.value, "value", one.value) for one in by.values.values()] if isinstance(by, GraphQLEnumType) else []
    return Listed(
        collection,
        equal=frozenset(name for name, found in operators.items() if found & {"eq", "in"}),
        unequal=frozenset(name for name, found in operators.items() if found & INEQUALITIES),
        elements=frozenset(name for name, found in operators.items() if found & {"contains", "containsAny"}),
        ordered=frozenset(map(str, ordered)),
        readers=READERS if view.__view__.has_readers else None,
    )


def _index(composite: Composite) -> dict[str, Any]:
    fields: list[dict[str, str]] = [
        {"fieldPath": _path(name), "arrayConfig" if mode == ELEMENTS else "order": mode} for name, mode in composite.parts
    ]
    if composite.by_name != composite.usual_name or len(fields) == 1:
        fields.append({"fieldPath": "__name__", "order": composite.by_name})
    scope = "COLLECTION_GROUP" if composite.group else "COLLECTION"
    return {"collectionGroup": composite.collection, "queryScope": scope, "fields": fields}


def _path(field: str) -> str:
    quoted = ((name.replace("\\", "\\\\").replace("`", "\\`"), name) for name in field.split("."))
    return ".".join(name if SIMPLE.fullmatch(name) else f"`{escaped}`" for escaped, name in quoted)


# --- The file


def missing_from(existing: Mapping[str, Any], config: IndexConfig) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The indexes and the exemptions that a file lacks. A field for which it has settings already keeps those."""
    indexes = {_identity(one) for one in existing.get("indexes") or ()}
    fields = {_field(one) for one in existing.get("fieldOverrides") or ()}
    return (
        [one for one in config.indexes if _identity(one) not in indexes],
        [one for one in config.exempt if _field(one) not in fields],
    )


def with_config(existing: Mapping[str, Any], config: IndexConfig) -> dict[str, Any]:
    """The file with what it lacks, after what it has: whatever else stands in it is left as it is."""
    indexes, exempt = missing_from(existing, config)
    return {
        **existing,
        "indexes": [*(existing.get("indexes") or ()), *indexes],
        "fieldOverrides": [*(existing.get("fieldOverrides") or ()), *exempt],
    }


def _identity(index: Mapping[str, Any]) -> tuple[object, ...]:
    """Equal for two spellings of one index: ``__name__`` may be left out where its direction is the usual one."""
    parts = [_part(field) for field in cast("Iterable[Mapping[str, Any]]", index.get("fields") or ())]
    if parts and parts[-1][0] != "__name__":
        parts.append(("__name__", DESCENDING if parts[-1][1] == DESCENDING else ASCENDING))
    return index.get("collectionGroup"), index.get("queryScope", "COLLECTION"), tuple(parts)


def _part(field: Mapping[str, Any]) -> tuple[object, object]:
    mode = field.get("arrayConfig") or field.get("order") or field.get("mode") or str(field.get("vectorConfig"))
    return field.get("fieldPath"), mode


def _field(override: Mapping[str, Any]) -> tuple[object, object]:
    return override.get("collectionGroup"), override.get("fieldPath")
