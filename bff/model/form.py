"""What clients write into the datastore themselves, to have something done."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from bff.errors import Conflict, DeclarationError, DomainError, RequestError
from bff.model.codec import Codec
from bff.model.declared import Declared, Kind, check_name, kind_of, named, unknown
from bff.model.form_draft import Creates, Draft, complete
from bff.model.form_error import FormError
from bff.model.form_path import FormPath
from bff.model.hints import Unresolved, local_names, resolve_function
from bff.model.session import current_session
from bff.model.shape import CodecError
from bff.naming import to_camel
from bff.principal import ANONYMOUS, Principal
from bff.types import Value

if TYPE_CHECKING:
    from bff.model.domain_model import DomainModel

__all__ = ["OUTCOME", "EntryDefinition", "Form", "FormDefinition", "FormRefused", "entry"]

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__bff_entry__"
OUTCOME = ("status", "errors", "result")
"""The fields of a form that bff writes."""


class FormRefused(Exception):
    """A form is not done, because of what is in it. Nothing of what it did is to be kept."""

    def __init__(self, errors: list[FormError]) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class EntryDefinition:
    """One field of a form. ``required`` are those whose setter has no default."""

    name: str
    document_name: str
    codec: Codec
    required: bool


@dataclass(frozen=True)
class FormDefinition:
    """What a Form class declares. Raises DeclarationError where an annotation is wrong or unknown."""

    name: str
    form: type[Form]
    path: FormPath
    principal: str | None
    creates: Mapping[str, type[DomainModel]]

    def entries(self) -> Mapping[str, EntryDefinition]:
        """By their Python names, in declared order."""
        return {name: self._entry(name, function) for name, function in _marked(self.form).items()}

    def _entry(self, name: str, function: Any) -> EntryDefinition:
        where = f"{self.name}.{name}"
        parameter = list(inspect.signature(function).parameters.values())[1]
        try:
            hints = resolve_function(function, self.form.__bff_scope__, named(self.form))
            codec = Codec.of(hints[parameter.name], where)
        except Unresolved as error:
            raise unknown(where, error) from None
        return EntryDefinition(name, to_camel(name), codec, parameter.default is parameter.empty)


def entry(setter: F) -> F:
    """Let clients fill in a field: ``def city_name(self, value: str) -> None``, stored as ``cityName``.

    It is called with the value that the form has, checked; where the parameter has a default the field may be missing, and is
    then not called. It may be async. What it raises to say no (a ValueError, a DomainError, a BadUserInput) is the field's error.
    """
    function: Any = setter
    if not inspect.isfunction(function):
        raise DeclarationError(repr(setter), "@entry is for methods: put it on a def")
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) != 2 or any(one.kind is not one.POSITIONAL_OR_KEYWORD for one in parameters):
        raise DeclarationError(function.__qualname__, "an entry takes self and the value: def city_name(self, value: str)")
    if parameters[1].annotation is inspect.Parameter.empty:
        raise DeclarationError(function.__qualname__, f"the value needs an annotation, e.g. {parameters[1].name}: str")
    setattr(function, _MARK, True)
    return setter


class Form(Declared):
    """What a client writes into the datastore itself, to have a new document made of it.

    ::

        class CityForm(Form, path="users/{uid}/cityForms/{id}"):
            city = creates(City)

            @entry
            def city_name(self, value: str) -> None:
                self.city.city_name = value.strip()

            async def submit(self) -> None:
                if await City.where(city_name=self.city.city_name).first():
                    raise BadUserInput("there is one already", ["cityName"])

    The parameter named by ``principal`` (``uid``, where the path has one) says who wrote it: ``self.principal``. All parameters
    are in ``self.parameters``. What the setters and ``submit`` do is one unit of work, done again on conflict: let them touch
    nothing but documents, and send effects. Raises DeclarationError where the class is declared wrongly.
    """

    __bff_kind__: ClassVar[Kind] = "form"
    __form__: ClassVar[FormDefinition]

    def __init_subclass__(cls, *, path: str | None = None, principal: str | None = None, **unknown_keywords: Any) -> None:
        super().__init_subclass__()
        if unknown_keywords:
            keyword = next(iter(unknown_keywords))
            raise DeclarationError(cls.__name__, f"a Form knows no {keyword}=; it knows path= and principal=")
        cls.__bff_scope__ = local_names(sys._getframe(1))
        cls.__form__ = _define(cls, FormPath.of(cls.__name__, path), principal)
        cls.__bff_declared__ = True

    def __init__(self, parameters: Mapping[str, str]) -> None:
        declared = type(self).__form__
        self.parameters = dict(parameters)
        self.principal = ANONYMOUS if declared.principal is None else Principal(id=parameters[declared.principal])
        self.result: dict[str, Value] = {}
        """What the client is told of what came of it: ``id`` is the new document's; add to it in ``submit``."""
        self._entry: str | None = None
        self._made: dict[str, Any] = {name: Draft(model, lambda: self._entry) for name, model in declared.creates.items()}

    async def submit(self) -> None:
        """Called once every field is set, before the new documents are made of that and saved.

        Override it for rules about more than one field, for what no client sets, and for what else is to be done. What it raises
        to say no (a DomainError, a BadUserInput) is an error of the form, or of the field that a BadUserInput names.
        """

    async def fill(self, entries: Mapping[str, EntryDefinition], data: Mapping[str, Value]) -> None:
        """Do what the form says, in the current session. Raises FormRefused."""
        errors: list[FormError] = []
        for declared in entries.values():
            if declared.document_name in data:
                error = await self._enter(declared, data[declared.document_name])
                errors += [] if error is None else [error]
            elif declared.required:
                errors.append(FormError(declared.document_name, "REQUIRED", "this is needed"))
        if errors:
            raise FormRefused(errors)
        try:
            await self.submit()
        except (DomainError, RequestError) as error:
            raise FormRefused([FormError.of(error, None)]) from None
        await self._save({declared.name: declared.document_name for declared in entries.values()})

    async def _save(self, fields: Mapping[str, str]) -> None:
        """Make the new documents of what is set, and save them. Raises FormRefused."""
        drafts: dict[str, Draft] = dict(self._made)
        errors: list[FormError] = []
        for name, draft in drafts.items():
            self._made[name], wrong = complete(draft, fields.get)
            errors += wrong
        if errors:
            raise FormRefused(errors)
        for name, document in self._made.items():
            self.result.setdefault("id", document.id)
            try:
                await current_session().save(document)
            except Conflict:
                field = drafts[name].assigned_by("id")
                raise FormRefused([FormError(field, Conflict.code, "there is one of this id already")]) from None

    async def _enter(self, declared: EntryDefinition, stored: Value) -> FormError | None:
        try:
            value = declared.codec.decode(stored)
        except CodecError as error:
            return FormError(declared.document_name, "BAD_VALUE", str(error))
        self._entry = declared.document_name
        try:
            result = getattr(self, declared.name)(value)
            if inspect.isawaitable(result):
                await result
        except (ValueError, DomainError, RequestError) as error:
            return FormError.of(error, declared.document_name)
        finally:
            self._entry = None
        return None


def _marked(form: type[Form]) -> dict[str, Any]:
    members = {name: value for cls in reversed(form.__mro__) for name, value in vars(cls).items()}
    return {name: value for name, value in members.items() if getattr(value, _MARK, False)}


def _define(form: type[Form], path: FormPath, principal: str | None) -> FormDefinition:
    members = {name: value for cls in reversed(form.__mro__) for name, value in vars(cls).items()}
    made = {name: value for name, value in members.items() if isinstance(value, Creates)}
    for name, declared in made.items():
        if kind_of(declared.model) != "document":
            raise DeclarationError(f"{form.__name__}.{name}", f"creates({declared.model!r}): name a DomainModel")
    if principal is not None and principal not in path.parameters:
        raise DeclarationError(
            form.__name__, f"principal={principal!r} is no parameter of the path; it has {', '.join(path.parameters)}"
        )
    for name in _marked(form):
        where = f"{form.__name__}.{name}"
        check_name(where, name)
        if to_camel(name) in OUTCOME:
            raise DeclarationError(where, f"{', '.join(OUTCOME)} are what bff writes into a form; rename the entry")
    if "__init__" in vars(form):
        raise DeclarationError(form.__name__, "a Form is made by bff; remove __init__, and use submit")
    by = principal if principal is not None else "uid" if "uid" in path.parameters else None
    return FormDefinition(form.__name__, form, path, by, {name: declared.model for name, declared in made.items()})
