"""Typed pointers to domain documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, get_args

from pydantic import GetCoreSchemaHandler, PydanticSchemaGenerationError
from pydantic_core import CoreSchema, core_schema

from bff.document import collection_of, document_id, join_path
from bff.errors import BadUserInput, DeclarationError
from bff.model.declared import kind_of
from bff.model.session import current_session
from bff.model.shape import CodecError, Shape, expected
from bff.types import Value

if TYPE_CHECKING:
    from bff.model.domain_model import DomainModel

__all__ = ["Ref", "RefShape"]

T = TypeVar("T", bound="DomainModel")


class Ref(Generic[T]):
    """A pointer to a document of the model ``T``; stored as its path, equal and hashed by it.

    Make one from a class (``User.ref("tijuana")``) or from a document (``user.ref``). A field annotated ``Ref[User]`` also
    accepts a User and a path (``"users/tijuana"``).

    ``await ticket.user.get()`` is the User, or None where there is none. Raises BadUserInput where the id is not one.
    """

    __slots__ = ("model", "path")

    path: str
    model: type[T]

    def __init__(self, model: type[T], id: str) -> None:
        self.model = model
        self.path = join_path(model.__collection__, id)

    @classmethod
    def _known(cls, model: type[T], path: str) -> Ref[T]:
        """A Ref to a path that is known to be one."""
        made = cls.__new__(cls)
        made.model = model
        made.path = path
        return made

    @property
    def id(self) -> str:
        """The id of the document that it points to."""
        return document_id(self.path)

    async def get(self) -> T | None:
        """The document, or None where there is none (or it is of another subclass). Raises DatastoreError."""
        [found] = await current_session().get(self.model, [self.id])
        return found

    def __eq__(self, other: object) -> bool:
        return self.path == other.path if isinstance(other, Ref) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.path)

    def __repr__(self) -> str:
        return f"Ref({self.path})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Ref, (self.model, self.id))

    @classmethod
    def of(cls, document: T) -> Ref[T]:
        """A Ref to a document: its id was checked when it was made."""
        return cls._known(type(document), document.path)

    @classmethod
    def to(cls, model: type[T], value: object) -> Ref[T]:
        """A Ref to the model, of a Ref, a path or a document.

        Raises ValueError where it points into another collection, TypeError where it is none of these.
        """
        path: object = value if isinstance(value, str) else getattr(value, "path", None)
        if not isinstance(path, str):
            raise TypeError(f"expected Ref[{model.__name__}], a path or a {model.__name__}, got {type(value).__name__}")
        collection = model.__collection__
        if collection_of(path) != collection:
            raise ValueError(f"expected Ref[{model.__name__}], a document of {collection!r}, got {path!r}")
        if isinstance(value, Ref) and value.model is model:
            return cast("Ref[T]", value)
        return Ref(model, document_id(path))

    @classmethod
    def __bff_shape__(cls, annotation: Any, where: str) -> Shape:
        arguments = get_args(annotation)
        if not arguments or kind_of(arguments[0]) != "document":
            raise DeclarationError(where, "a Ref names the DomainModel that it points to, e.g. Ref[User]")
        return RefShape(arguments[0])

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        arguments = get_args(source)
        if not arguments:
            raise PydanticSchemaGenerationError("a Ref names the DomainModel that it points to, e.g. Ref[User]")
        model = arguments[0]

        def validate(value: object) -> Ref[Any]:
            try:
                return Ref.to(model, value)
            except (TypeError, BadUserInput) as error:
                # pydantic reports ValueErrors as validation errors, and lets others through.
                raise ValueError(str(error)) from None

        return core_schema.no_info_plain_validator_function(
            validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda ref: ref.path, return_schema=core_schema.str_schema()
            ),
            json_schema_input_schema=core_schema.str_schema(),
        )


class RefShape(Shape):
    """A Ref, stored as the path of its document."""

    ordered = True
    filterable = True

    def __init__(self, model: type[DomainModel]) -> None:
        self.model = model
        self.stored_as = model.__collection__
        self._before = f"{model.__collection__}/"

    def encode(self, value: Any) -> Value:
        before = self._before
        if type(value) is Ref and value.path.startswith(before) and value.path.find("/", len(before)) < 0:
            return value.path  # what it would be made into is itself
        return self._ref(value).path

    def decode(self, stored: Any) -> Ref[Any]:
        before = self._before
        if not isinstance(stored, str) or not stored.startswith(before) or "/" in stored[len(before) :]:
            raise expected(f"the path of a {self.model.__name__}", stored)
        return Ref._known(self.model, stored)

    @property
    def decoder(self) -> Callable[[Any], Ref[Any]]:
        model, before, start, new = self.model, self._before, len(self._before), object.__new__

        def decode(stored: Any) -> Ref[Any]:
            if type(stored) is not str or not stored.startswith(before) or stored.find("/", start) >= 0:
                return self.decode(stored)  # which says what is wrong with it
            made: Ref[Any] = new(Ref)
            made.model = model
            made.path = stored
            return made

        return decode

    def _ref(self, value: object) -> Ref[Any]:
        try:
            return Ref.to(self.model, value)
        except (TypeError, ValueError, BadUserInput) as error:
            raise CodecError(str(error)) from None
