"""What a ViewModel class declares, in one value."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from bff.document import join_path
from bff.errors import DeclarationError
from bff.model.codec import Codec
from bff.model.compounds import OBJ_TYPE, ListShape, OptionalShape
from bff.model.declared import check_name, kind_of, named, unknown
from bff.model.definition_hash import definition_hash
from bff.model.field import Field, FieldDefinition, Link, check_accessors, setter_value
from bff.model.hidden_fields import VIEW_READERS, check_field_readers, check_readers, hidden_fields, hidden_name
from bff.model.hints import Unresolved, resolve, resolve_function
from bff.model.key import split_key
from bff.model.mutation import is_mutation
from bff.model.naming import CAMEL
from bff.model.shape import Shape
from bff.naming import plural, uncapitalise

if TYPE_CHECKING:
    from bff.model.store import Store
    from bff.model.view_model import ViewModel

__all__ = ["BESIDE", "ViewDefinition", "check_max_age", "check_view"]

DEFAULT_DEPTH = 4
BESIDE = "@"
"""Stands between a name and the definition that a storage is of: no name in GraphQL has it."""

HASH_DIGITS = 12
RESERVED = frozenset({"id", "version", "store", "obj_type", "of", "split_key", VIEW_READERS})
RESERVED_DOCUMENT_NAMES = frozenset({"id", "version", OBJ_TYPE})


@dataclass(frozen=True)
class ViewDefinition:
    """A class of views, and its names in GraphQL.

    ``store`` and ``fields`` are resolved when they are first asked for, if the annotations name classes declared later; they
    raise DeclarationError where those cannot be found. ``fields`` are by Python name, in declared order.
    """

    name: str
    view: type[ViewModel]
    declared_collection: str
    description: str | None
    max_documents: int
    depth_limit: int | None
    max_age: int | None = None
    beside: bool = False

    @cached_property
    def collection(self) -> str:
        """Where its documents are stored: of a view that is built ``beside``, a place of this very definition's."""
        return self._of_own(self.declared_collection)

    @cached_property
    def storage(self) -> str:
        """What is stored of it is known by this: in ``_bff_views``, in channels, in notes of what is to be done."""
        return self._of_own(self.name)

    def _of_own(self, name: str) -> str:
        return f"{name}{BESIDE}{self.definition_hash[:HASH_DIGITS]}" if self.beside else name

    @cached_property
    def store(self) -> type[Store]:
        return self.resolve()[0]

    @cached_property
    def fields(self) -> Mapping[str, FieldDefinition]:
        return self.resolve()[1]

    @cached_property
    def stored(self) -> Mapping[str, FieldDefinition]:
        """The fields, and the hidden ones that say who may see the view, and which of its fields."""
        return {**self.fields, **hidden_fields(self.view, self.fields)}

    @cached_property
    def has_readers(self) -> bool:
        """Whether not everybody may see every view of the class."""
        return VIEW_READERS in self.stored

    @cached_property
    def is_restricted(self) -> bool:
        """Whether what is shown of a view depends on who asks."""
        return self.has_readers or bool(self.restricted)

    @cached_property
    def restricted(self) -> Mapping[str, str]:
        """Of the fields that not all readers of the view may see, the document names: under which it stands who may."""
        return {one.document_name: self.stored[one.readers].document_name for one in self.fields.values() if one.readers}

    @property
    def max_depth(self) -> int:
        """How many levels its store may have."""
        return self.depth_limit or self.store.__store__.max_depth or DEFAULT_DEPTH

    @cached_property
    def definition_hash(self) -> str:
        """Differs when the code that makes the view differs; the same in every process."""
        return definition_hash(self.stored, self.store.__store__)

    @property
    def has_setters(self) -> bool:
        return any(field.setter is not None for field in self.fields.values())

    @property
    def query_name(self) -> str:
        return uncapitalise(self.name)

    @property
    def list_name(self) -> str:
        return plural(self.query_name)

    @property
    def update_name(self) -> str:
        return f"update{self.name}"

    @property
    def input_name(self) -> str:
        return f"{self.name}Input"

    def root_paths(self, key: str) -> tuple[str, ...]:
        """The paths of the documents that a key names, one for each root. Raises BadUserInput."""
        roots = self.store.__store__.roots
        parts = split_key(key, len(roots), self.name)
        return tuple(join_path(root.model.__collection__, part) for root, part in zip(roots, parts, strict=True))

    def resolve(
        self, names: Mapping[str, type] | None = None, *, eagerly: bool = False
    ) -> tuple[type[Store], dict[str, FieldDefinition]]:
        """Resolve the annotations: forward references are looked up in ``names``, then among all declared classes.

        ``eagerly``, while the class is being declared, they are only looked up around the class, and what is not there raises
        Unresolved. Otherwise that raises DeclarationError.
        """
        known = self.__dict__.get("_resolved")
        if known is None:
            find = (lambda name: None) if eagerly else named(self.view, names)
            try:
                store = _store(self.view, find)
                _check_depth(self, store)
                known = store, _fields(self.view, find)
            except Unresolved as error:
                if eagerly:
                    raise
                raise unknown(self.name, error) from None
            self.__dict__["_resolved"] = known
        return cast("tuple[type[Store], dict[str, FieldDefinition]]", known)


def check_max_age(where: str, max_age: int | None) -> None:
    """Raises DeclarationError where it is no number of seconds."""
    if max_age is not None and (isinstance(max_age, bool) or not isinstance(max_age, int) or max_age < 0):
        raise DeclarationError(where, f"max_age={max_age!r} is no number of seconds; give a whole one, 0 or more")


def check_view(view: type[ViewModel]) -> None:
    """What can be told of a view before its annotations are resolved. Raises DeclarationError."""
    check_name(view.__name__, view.__view__.name)
    fields = _declared(view)
    for cls in _bodies(view):
        _check_methods(view, cls)
        for name in inspect.get_annotations(cls):
            where = f"{view.__name__}.{name}"
            if name.startswith("_") or name == "store" or "ClassVar" in str(inspect.get_annotations(cls)[name]):
                continue
            if name in RESERVED:
                raise DeclarationError(where, f"{name!r} is a name of ViewModel's own; remove the annotation")
            if name not in fields:
                raise DeclarationError(where, f"the fields of a view are getters; write @field over def {name}(self) -> …")
    for name, declared in fields.items():
        where = f"{view.__name__}.{name}"
        if name in RESERVED:
            raise DeclarationError(where, f"{name!r} is a name of ViewModel's own; rename the field")
        check_name(where, name)
        check_max_age(where, declared.max_age)
        check_accessors(where, declared)
        check_field_readers(where, declared)
        document_name = CAMEL.document_name(where, name)
        if document_name in RESERVED_DOCUMENT_NAMES:
            raise DeclarationError(where, f"{document_name!r} is in every view already; rename the field")
    check_readers(view)
    if not fields:
        raise DeclarationError(view.__name__, "it has no fields; write @field over a method, e.g. def address(self) -> str")
    if not any("store" in inspect.get_annotations(cls) for cls in _bodies(view)):
        raise DeclarationError(view.__name__, "it needs a store, e.g. store: MeetingStore")


def _check_methods(view: type[ViewModel], body: type) -> None:
    for name, value in vars(body).items():
        if is_mutation(value):
            raise DeclarationError(
                f"{view.__name__}.{name}",
                "a view is what clients read; put the @mutation on a DomainModel or a Mediator, or write a field's setter",
            )


def _bodies(view: type) -> list[type]:
    """The classes whose bodies declare the view, itself last."""
    return [cls for cls in reversed(view.__mro__) if cls.__module__ != "builtins" and "__bff_kind__" not in vars(cls)]


def _declared(view: type) -> dict[str, Field[Any]]:
    found: dict[str, Field[Any]] = {}
    for cls in _bodies(view):
        for name, value in vars(cls).items():
            if isinstance(value, Field):
                if value.name == name:
                    found[name] = value
            else:
                found.pop(name, None)
    return found


def _store(view: type[ViewModel], find: Any) -> type[Store]:
    owner = next(cls for cls in view.__mro__ if "store" in inspect.get_annotations(cls))
    found = resolve(inspect.get_annotations(owner)["store"], owner.__module__, view.__bff_scope__, find)
    if kind_of(found) != "store":
        raise DeclarationError(
            f"{view.__name__}.store", f"{found!r} is no Store; annotate a subclass of it, e.g. store: MeetingStore"
        )
    return cast("type[Store]", found)


def _check_depth(definition: ViewDefinition, store: type[Store]) -> None:
    declared = store.__dict__.get("__bff_store__") or store.__store__
    limit = definition.depth_limit or declared.max_depth or DEFAULT_DEPTH
    if declared.depth > limit:
        deepest = max(declared.references, key=lambda reference: reference.level)
        raise DeclarationError(
            f"{declared.name}.{deepest.name}",
            f"it is on level {deepest.level}, and {definition.name} allows {limit}: each level is one more read after the other; "
            f"store a Ref nearer to the root, or declare class {definition.name}(ViewModel, max_depth={deepest.level})",
        )


def _fields(view: type[ViewModel], find: Any) -> dict[str, FieldDefinition]:
    return {name: _field(view, name, declared, find) for name, declared in _declared(view).items()}


def _field(view: type[ViewModel], name: str, declared: Field[Any], find: Any) -> FieldDefinition:
    where = f"{view.__name__}.{name}"
    annotation = resolve_function(declared.getter, view.__bff_scope__, find)["return"]
    if annotation is type(None):
        raise DeclarationError(where, "it returns None, which tells nobody anything; annotate what it returns, e.g. -> str")
    codec = Codec.of(annotation, where, view=True)
    setter_annotation, setter_codec = None, None
    if declared.write is not None:
        setter_annotation = resolve_function(declared.write, view.__bff_scope__, find)[setter_value(declared.write)]
        setter_codec = Codec.of(setter_annotation, f"{where} (setter)", view=True)
        if _link(setter_codec.shape) is not None:
            raise DeclarationError(where, "clients cannot give a view; let the setter take an id, a str")
    if declared.filterable and not codec.shape.filterable:
        raise DeclarationError(where, "only single values, lists of them, and links can be filtered by; remove filterable=True")
    if declared.readers is not None and not isinstance(codec.shape, OptionalShape):
        raise DeclarationError(where, "to who may not see it, it is null; annotate that it may be, e.g. -> int | None")
    return FieldDefinition(
        name=name,
        document_name=CAMEL.document_name(where, name),
        annotation=annotation,
        codec=codec,
        getter=declared.getter,
        setter=declared.write,
        setter_annotation=setter_annotation,
        setter_codec=setter_codec,
        filterable=declared.filterable,
        deprecated=declared.deprecated,
        description=declared.description or _doc(declared.getter),
        link=_link(codec.shape),
        max_age=declared.max_age,
        readers=None if declared.readers is None else hidden_name(name),
    )


def _link(shape: Shape, *, many: bool = False) -> Link | None:
    """The views that values of a shape point to: ``V``, ``V | W``, ``V | None`` or ``list[V]``, optional or not."""
    match shape:
        case OptionalShape():
            return _link(shape.inner, many=many)
        case ListShape():
            return _link(shape.element, many=True)
    return Link(shape.views, many) if shape.views else None


def _doc(getter: Any) -> str | None:
    return inspect.getdoc(getter)
