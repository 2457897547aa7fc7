"""Domain documents with behaviour: the single source of truth."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeVar, cast, overload

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from bff.document import Document, check_id
from bff.errors import BadUserInput, InvalidDocument
from bff.model.compounds import OBJ_TYPE, problems
from bff.model.declared import Declared, Kind, known_subclasses
from bff.model.field_changes import FieldChanges
from bff.model.find import Find
from bff.model.hints import Scope
from bff.model.model_type import DomainModelType
from bff.model.naming import Naming
from bff.model.ref import Ref
from bff.model.session import current_session
from bff.model.shape import CodecError
from bff.types import Timepoint, Value

if TYPE_CHECKING:
    from bff.model.document_definition import DocumentDefinition

__all__ = ["DomainModel", "fresh_id"]

M = TypeVar("M", bound="DomainModel")

_ID_LETTERS = string.ascii_letters + string.digits
_ID_LENGTH = 20


def fresh_id() -> str:
    """A random id, as Firestore makes them: 20 letters and digits, 119 bits."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))


def _checked_id(id: str) -> str:
    try:
        return check_id(id)
    except BadUserInput as error:
        raise ValueError(str(error)) from None


def _own(model: DomainModel) -> dict[str, Any]:
    """Its private attributes, to read and to set without what pydantic does for those that any class may have."""
    private = model.__pydantic_private__
    assert private is not None, "every document has some"
    return private


class _RefOf:
    """``User.ref("tijuana")`` on the class, ``user.ref`` on a document."""

    @overload
    def __get__(self, instance: None, owner: type[M]) -> Callable[[str], Ref[M]]: ...
    @overload
    def __get__(self, instance: M, owner: type[M]) -> Ref[M]: ...
    def __get__(self, instance: M | None, owner: type[M]) -> Callable[[str], Ref[M]] | Ref[M]:
        if instance is None:
            return lambda id: Ref(owner, id)
        return Ref.of(instance)


class DomainModel(BaseModel, Declared, metaclass=DomainModelType):
    """A document with behaviour.

    ::

        class City(DomainModel, collection="cities"):
            city_name: str                       # stored as cityName
            population: int = 0
            mayor: Ref[Person] | None = None

        await City(id="SF", city_name="San Francisco").save()
        sf = await City.get("SF")                                  # None where there is none
        large = City.where(City.population > 1_000_000, city_name="Tokyo").order_by(City.population.desc())

    Class keywords: ``collection`` is where its documents are; ``naming`` makes document names of Python names (``"camel"``,
    ``"snake"`` or a Naming). Subclasses share both, and are told apart by the document field ``objType``: reading a class finds
    its subclasses too, as what they are.

    Field types: str, int (64 bits), float, bool, datetime (aware), date, time, timedelta, Decimal (exact, not ordered), UUID,
    bytes, Enum, Literal, GeoPoint, Ref[…], lists, dicts with str keys, nested pydantic models, unions of these, and
    ``… | None``. Assignment is validated. Raises DeclarationError where a class is declared wrongly, pydantic's ValidationError
    where a value is.
    """

    model_config = ConfigDict(validate_assignment=True, extra="forbid")

    __bff_kind__: ClassVar[Kind] = "document"
    __bff_scope__: ClassVar[Scope] = {}
    __bff_declared__: ClassVar[bool] = False
    __bff_plain__: ClassVar[bool] = True
    """Whether neither it nor a parent has a say in how instances are made: what pydantic does decides."""
    __bff_whole__: ClassVar[bool] = True
    """Whether it is what its collection was declared with, so that every document there is one of it."""

    if TYPE_CHECKING:
        __document__: ClassVar[DocumentDefinition]
        __collection__: ClassVar[str]
        __naming__: ClassVar[Naming]

        def __init_subclass__(cls, *, collection: str = ..., naming: Naming | str = ..., **config: Any) -> None: ...

    ref: ClassVar[_RefOf] = _RefOf()
    """``City.ref("SF")`` on the class, ``city.ref`` on a document: a typed pointer to it."""

    id: Annotated[str, AfterValidator(_checked_id)] = Field(frozen=True)
    """The document's id; it cannot change."""

    _stored: Mapping[str, Value] | None = PrivateAttr(default=None)
    _update_time: Timepoint | None = PrivateAttr(default=None)
    _create_only: bool = PrivateAttr(default=False)
    _within: str | None = PrivateAttr(default=None)

    @property
    def path(self) -> str:
        """``cities/SF``; for a document of a collection group its own place, ``users/u1/cities/SF``."""
        within = (self.__pydantic_private__ or {}).get("_within")
        return f"{within or type(self).__collection__}/{self.id}"

    def placed(self, collection: str) -> Self:
        """Have it be of another collection than its class's: ``users/u1/cities``."""
        self._within = collection if collection != type(self).__collection__ else None
        return self

    @property
    def is_new(self) -> bool:
        """Whether it was made here and not saved yet."""
        return _own(self)["_stored"] is None

    @property
    def create_only(self) -> bool:
        """Whether saving it must find no document of its id: it was made by ``new()`` and is not saved yet."""
        return self.is_new and bool(_own(self)["_create_only"])

    @property
    def stored_data(self) -> Mapping[str, Value] | None:
        """Its document as it was loaded or saved last; None where it is new. Treat it as read-only."""
        stored: Mapping[str, Value] | None = _own(self)["_stored"]
        return stored

    @property
    def update_time(self) -> Timepoint | None:
        """When its document was last changed, as far as is known."""
        return self._update_time

    @classmethod
    def new(cls, **values: Any) -> Self:
        """One with a fresh random id, unless ``id`` is given. Saving it raises Conflict where there is such a document."""
        made = cls(**{"id": fresh_id(), **values})
        made._create_only = True
        return made

    @classmethod
    async def get(cls, id: str) -> Self | None:
        """The document of that id, or None. Raises BadUserInput where it is no id."""
        [found] = await current_session().get(cls, [id])
        return found

    @classmethod
    async def get_many(cls, ids: Sequence[str]) -> list[Self | None]:
        """The documents of these ids, in their order, None where there is none: one batched read."""
        return await current_session().get(cls, ids)

    @classmethod
    def all(cls) -> Find[Self]:
        """Every document of the class."""
        return Find(cls)

    @classmethod
    def where(cls, *conditions: Any, **equalities: Any) -> Find[Self]:
        """``where(City.population < 9, state="CA")`` or ``where("cityState", "==", "CA")``: see ``Find.where``."""
        return Find(cls).where(*conditions, **equalities)

    @classmethod
    def order_by(cls, *attributes: Any, descending: bool = False) -> Find[Self]:
        """Every document, in that order: see ``Find.order_by``."""
        return Find(cls).order_by(*attributes, descending=descending)

    @classmethod
    def limit(cls, count: int) -> Find[Self]:
        """So many documents, by id."""
        return Find(cls).limit(count)

    @classmethod
    def start_after(cls, *values: Any) -> Find[Self]:
        """The documents after an id or a document: see ``Find.start_after``."""
        return Find(cls).start_after(*values)

    async def save(self) -> Self:
        """Write what changed, or all of it where it is new. Raises Conflict, InvalidDocument, DatastoreError."""
        await current_session().save(self)
        return self

    async def delete(self) -> None:
        """Delete the document; saving it afterwards makes it anew."""
        await current_session().delete(self)
        self._stored = self._update_time = None

    def __eq__(self, other: object) -> bool:
        """Documents are equal when they are of one class and have equal fields, whenever they were read."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def stored_classes(cls) -> tuple[str, ...]:
        """The ``objType`` of what a query on this class finds; empty where that is the whole collection."""
        if cls.__bff_whole__:
            return ()
        return (cls.__name__, *sorted({child.__name__ for child in known_subclasses(cls)}))

    @classmethod
    def holds(cls, document: Document) -> bool:
        """Whether the document exists and is of this class or a subclass."""
        if document.data is None:
            return False
        names = cls.stored_classes()
        return not names or document.data.get(OBJ_TYPE) in names

    @classmethod
    def from_document(cls, document: Document) -> Self:
        """The model of a stored document, of the subclass that it was saved as.

        Raises InvalidDocument where there is none, where it is of another class, or where its fields do not fit the class.
        """
        data = document.data
        if data is None:
            raise InvalidDocument(f"{document.path}: there is no such document")
        model = cls._class_of(document.path, data)
        definition = model.__document__
        if definition.plain_reader is not None:
            plain = definition.plain_reader(document, data)
            if plain is not None:
                return cast("Self", plain)
        values: dict[str, Any] = {"id": document.id}
        for name, declared in definition.fields.items():
            if declared.document_name in data:
                try:
                    values[name] = declared.codec.decode(data[declared.document_name])
                except CodecError as error:
                    raise InvalidDocument(f"{document.path}: {error.within(declared.document_name)}") from None
        try:
            made = model.model_validate(values)
        except ValidationError as error:
            raise InvalidDocument(f"{document.path} is no {model.__name__}: {problems(error)}") from None
        _own(made).update(_stored=data, _update_time=document.update_time)
        return made

    @classmethod
    def _class_of(cls, path: str, data: Mapping[str, Value]) -> type[Self]:
        name = data.get(OBJ_TYPE)
        if name == cls.__name__ or (name is None and not cls.stored_classes()):
            return cls
        # The latest of a name: a class can be declared again, in a notebook.
        for child in reversed(known_subclasses(cls)):
            if child.__name__ == name:
                return cast("type[Self]", child)
        raise InvalidDocument(f"{path} is a {name!r}, which is no {cls.__name__}: import the class, or ask the class that it is")

    def to_data(self) -> dict[str, Value]:
        """The fields of its document, ``objType`` included, as they are stored. Fields that no class declares are kept.

        Raises InvalidDocument where a value cannot be stored.
        """
        data: dict[str, Value] = {**(self.stored_data or {}), OBJ_TYPE: type(self).__name__}
        for name, declared in type(self).__document__.fields.items():
            try:
                data[declared.document_name] = declared.codec.encode(self.__dict__[name])
            except CodecError as error:
                raise InvalidDocument(f"{self.path}: {error.within(name)}") from None
        return data

    def changes(self) -> FieldChanges:
        """What of its document differs from what was loaded or saved last."""
        data, stored = self.to_data(), self.stored_data
        if stored is None:
            return FieldChanges(data, ())
        shapes = {declared.document_name: declared.codec.shape for declared in type(self).__document__.fields.values()}
        return FieldChanges.between(stored, data, shapes)

    def mark_stored(self, update_time: Timepoint | None) -> None:
        """What it holds now is what is stored, as of a commit (None where that is still to come)."""
        _own(self).update(_stored=self.to_data(), _update_time=update_time)
