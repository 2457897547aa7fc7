"""How a DomainModel class comes to be: checked when it is declared, completed when the names it uses are known."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, cast, dataclass_transform

from pydantic import BaseModel, Field, PrivateAttr, PydanticUndefinedAnnotation, PydanticUserError
from pydantic.fields import FieldInfo

from bff.document import check_id
from bff.errors import BadUserInput, DeclarationError
from bff.model.codec import Codec
from bff.model.compounds import OBJ_TYPE
from bff.model.condition import Attribute
from bff.model.declared import known_subclasses, named, unknown
from bff.model.document_definition import DocumentDefinition, DocumentField
from bff.model.hints import Scope, Unresolved, local_names, resolve
from bff.model.mutation import declared_mutations
from bff.model.naming import CAMEL, Naming, naming_of

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass

    from bff.model.domain_model import DomainModel
else:
    ModelMetaclass = type(BaseModel)

__all__ = ["DomainModelType", "complete"]


HOOKS = frozenset({"__init__", "__new__", "__setattr__", "model_post_init", "model_validate"})
"""With one of these a class has a say in how its documents are made."""


# Type checkers do not take this over from pydantic's metaclass.
@dataclass_transform(kw_only_default=True, field_specifiers=(Field, PrivateAttr))
class DomainModelType(ModelMetaclass):
    """The metaclass of DomainModel: ``City.population`` on the class is an Attribute, to be compared in queries."""

    # The parameters begin with an underscore because pydantic takes the locals of whoever calls it for names of annotations.
    def __new__(
        mcs,
        _name: str,
        _bases: tuple[type, ...],
        _namespace: dict[str, Any],
        *,
        collection: str | None = None,
        naming: Naming | str | None = None,
        **_config: Any,
    ) -> Any:
        _parents: list[Any] = [base for base in _bases if isinstance(base, DomainModelType)]
        if not _parents:
            return super().__new__(mcs, _name, _bases, _namespace, **_config)
        _check_names(_name, _parents[0], _namespace)
        _plain = HOOKS.isdisjoint(_namespace)  # asked before pydantic adds its own
        try:
            _class: Any = super().__new__(mcs, _name, _bases, _namespace, **_config)
        except PydanticUserError as error:
            raise _explained(_name, _namespace, local_names(sys._getframe(1)), error) from None
        _class.__bff_scope__ = local_names(sys._getframe(1))
        _class.__bff_plain__ = len(_parents) == len(_bases) and _plain and all(parent.__bff_plain__ for parent in _parents)
        # Every class that is declared has a collection of its own, or its parent's: all but DomainModel itself.
        _class.__bff_whole__ = not any(hasattr(parent, "__collection__") for parent in _parents)
        _class.__collection__, _class.__naming__ = _settings(_name, _parents, collection, naming)
        _check_family(_class)
        # A name may be declared further down, or imported for type checkers only: it is looked up again on first use.
        with suppress(Unresolved):
            _define(_class, None)
        _class.__bff_declared__ = True
        return _class

    if not TYPE_CHECKING:  # Type checkers would take any name for an attribute, and any arguments for right.

        def __getattr__(cls, name: str) -> Any:  # noqa: N805
            # pydantic asks with hasattr whether a field of a subclass would hide something of its parent; it must not see these.
            if name in cls.__dict__.get("__pydantic_fields__", ()) and not _asked_by_pydantic():
                return Attribute(cast("type[DomainModel]", cls), name)
            try:
                return super().__getattr__(name)
            except AttributeError:
                raise AttributeError(f"{cls.__name__} has no field {name!r}", name=name, obj=cls) from None

        def __call__(cls, *args: Any, **values: Any) -> Any:  # noqa: N805
            if "__bff_document__" not in cls.__dict__:
                complete(cls)
            return super().__call__(*args, **values)

    @property
    def __document__(cls) -> DocumentDefinition:  # noqa: N805
        """What the class declares. Raises DeclarationError where an annotation names what is not known."""
        made: DocumentDefinition | None = cls.__dict__.get("__bff_document__")
        return complete(cls) if made is None else made


def complete(model: Any, names: Mapping[str, type] | None = None) -> DocumentDefinition:
    """Resolve what is left of a model's annotations: among ``names``, else among the declared classes.

    Raises DeclarationError where a name stays unknown.
    """
    made: DocumentDefinition | None = model.__dict__.get("__bff_document__")
    if made is not None:
        return made
    if not hasattr(model, "__collection__"):
        raise DeclarationError(model.__name__, "it has no documents; subclass it, with collection=")
    try:
        return _define(model, names, last_chance=True)
    except Unresolved as error:
        raise unknown(model.__name__, error) from None


def _define(model: Any, names: Mapping[str, type] | None, *, last_chance: bool = False) -> DocumentDefinition:
    scope = dict(model.__bff_scope__)
    find = named(model, names) if last_chance else scope.get
    while not model.__pydantic_complete__:
        try:
            model.model_rebuild(_types_namespace=scope)
        except PydanticUndefinedAnnotation as error:
            missing = error.name or str(error)
            found = find(missing)
            if found is None or scope.get(missing) is found:
                raise Unresolved(model.__name__, missing) from None
            scope[missing] = found
        except PydanticUserError as error:
            raise _explained(model.__name__, vars(model), scope, error) from None
    fields = {name: _field(model, name, info) for name, info in model.model_fields.items() if name != "id"}
    model.__bff_document__ = DocumentDefinition(
        name=model.__name__,
        collection=model.__collection__,
        model=model,
        naming=model.__naming__,
        fields=fields,
        declared_mutations=lambda: declared_mutations(model),
    )
    made: DocumentDefinition = model.__bff_document__
    return made


def _field(model: Any, name: str, info: FieldInfo) -> DocumentField:
    where = f"{model.__name__}.{name}"
    if info.alias or info.validation_alias or info.serialization_alias:
        raise DeclarationError(where, "an alias names nothing here; choose naming= for the model, or rename the field")
    if info.exclude:
        raise DeclarationError(where, "every field is stored; make it a PrivateAttr instead of exclude=True")
    document_name = model.__naming__.document_name(where, name)
    if document_name == OBJ_TYPE or document_name.startswith("__") or "." in document_name or "`" in document_name:
        raise DeclarationError(where, f"no document field can be named {document_name!r}; rename it")
    annotation: Any = info.annotation
    if info.metadata:
        annotation = Annotated[annotation, *info.metadata]
    return DocumentField(name, document_name, annotation, Codec.of(annotation, where, model.__naming__))


def _check_names(name: str, parent: Any, namespace: Mapping[str, Any]) -> None:
    base: Any = next(cls for cls in parent.__mro__[::-1] if isinstance(cls, DomainModelType))
    for field in namespace.get("__annotations__", {}):
        if field == "id":
            raise DeclarationError(f"{name}.id", "every document has an id, a str; remove the annotation")
        if field in base.__private_attributes__ or (hasattr(base, field) and not field.startswith("__")):
            raise DeclarationError(f"{name}.{field}", f"{field!r} is a name of DomainModel's own; rename the field")


def _settings(name: str, parents: list[Any], collection: str | None, naming: Naming | str | None) -> tuple[str, Naming]:
    """The collection and the naming of a class: its parents', or its own."""
    inherited = {parent.__collection__: parent for parent in parents if hasattr(parent, "__collection__")}
    if len(inherited) > 1:
        raise DeclarationError(name, f"its parents are documents of two collections, {' and '.join(inherited)}; keep one of them")
    if not inherited:
        if collection is None:
            raise DeclarationError(
                name, f'a DomainModel needs a collection, e.g. class {name}(DomainModel, collection="{name.lower()}s")'
            )
        return _checked_collection(name, collection), CAMEL if naming is None else naming_of(name, naming)
    [(shared, parent)] = inherited.items()
    if collection not in {None, shared}:
        raise DeclarationError(name, f"it shares the collection {shared!r} with {parent.__name__}; remove collection=")
    if naming is not None and naming_of(name, naming) != parent.__naming__:
        raise DeclarationError(name, f"it shares the naming of {parent.__name__}; remove naming=")
    return shared, parent.__naming__


def _checked_collection(name: str, collection: object) -> str:
    if not isinstance(collection, str):
        raise DeclarationError(name, f'collection={collection!r} is no str, e.g. collection="users"')
    parts = collection.split("/")
    try:
        for part in parts:
            check_id(part)
    except BadUserInput:
        raise DeclarationError(name, f"collection={collection!r} is no path of a collection; choose a plain word") from None
    if len(parts) % 2 == 0:
        raise DeclarationError(
            name, f"collection={collection!r} is the path of a document; a collection has one part more or less"
        )
    if parts[-1].startswith("_bff"):
        raise DeclarationError(name, f"collection={collection!r}: collections that begin with _bff are bff's own; rename it")
    return collection


def _check_family(model: Any) -> None:
    """Generic classes have no name of their own, and ``objType`` takes one name for one class."""
    if model.__pydantic_generic_metadata__["parameters"] or "[" in model.__name__:
        raise DeclarationError(model.__name__, "a DomainModel cannot be generic; declare a class for each type")
    root = next(cls for cls in reversed(model.__mro__) if hasattr(cls, "__collection__"))
    for other in [root, *known_subclasses(root)]:
        if other is not model and other.__name__ == model.__name__ and not _replaces(model, other):
            raise DeclarationError(
                model.__name__,
                f"two classes of the collection {model.__collection__!r} have this name, which tells them apart; rename one",
            )


def _replaces(model: type, other: type) -> bool:
    """Whether a class is another one declared again (in a notebook, by a reload), or local to a function that has ended."""
    same_place = (other.__module__, other.__qualname__) == (model.__module__, model.__qualname__)
    return same_place or "<locals>" in model.__qualname__ or "<locals>" in other.__qualname__


def _explained(name: str, namespace: Mapping[str, Any], scope: Scope, error: PydanticUserError) -> DeclarationError:
    """pydantic's complaint, with the class and, where it can be told, the field."""
    annotations = namespace.get("__annotations__", {})
    for field, value in namespace.items():
        if error.code == "model-field-missing-annotation" and f"`{field} = " in error.message and field not in annotations:
            return DeclarationError(f"{name}.{field}", f"a field needs an annotation, e.g. {field}: {type(value).__name__} = …")
    if error.code == "schema-for-unknown-type":
        for field, annotation in annotations.items():
            try:
                Codec.of(resolve(annotation, namespace["__module__"], scope), f"{name}.{field}")
            except DeclarationError as unsupported:
                return unsupported
            except Unresolved:
                continue
    return DeclarationError(name, error.message)


def _asked_by_pydantic() -> bool:
    module: str = sys._getframe(2).f_globals.get("__name__", "")
    return module.startswith("pydantic.")
