"""What one screen reads."""

from __future__ import annotations

import inspect
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from bff.document import check_id, document_id
from bff.errors import BadUserInput, BuildError, DeclarationError
from bff.model.declared import Declared, Kind
from bff.model.evaluation import Evaluation
from bff.model.hints import Unresolved, local_names
from bff.model.key import join_key, split_key
from bff.model.readers import Readers
from bff.model.shape import Shape, expected
from bff.model.view_definition import ViewDefinition, check_max_age, check_view
from bff.types import Value

if TYPE_CHECKING:
    from bff.model.domain_model import DomainModel
    from bff.model.ref import Ref

__all__ = ["LinkShape", "LinkUnionShape", "ViewModel"]


class ViewModel(Declared):
    """Typed fields computed from a Store, precomputed as one document for each key.

    ::

        class MeetingSession(ViewModel):
            \"\"\"A meeting as its participants see it.\"\"\"        # the GraphQL description
            store: MeetingSessionStore

            @field
            def address(self) -> str:
                return self.store.location.address

    Class keywords: ``collection`` is where its documents are stored (the class name by default), ``name`` its GraphQL name,
    ``max_depth`` how many levels its store may have (4), ``max_documents`` how many documents a build may read before it warns
    (100), ``max_age`` for how many seconds clients may show it again without asking whether it has changed (by default they ask
    each time), ``beside`` that each definition of it has a storage of its own (`docs/rebuilding.md`). Its key is the id of the
    store's root document; the ids of several roots are joined with ``:``.

    Raises DeclarationError where the class is declared wrongly.
    """

    __bff_kind__: ClassVar[Kind] = "view"
    __view__: ClassVar[ViewDefinition]

    id: str
    """The view's key."""

    if TYPE_CHECKING:
        store: Any
        """What the view reads: annotate its Store. It can be read in getters and setters only."""

    def __init_subclass__(
        cls,
        *,
        collection: str | None = None,
        name: str | None = None,
        max_depth: int | None = None,
        max_documents: int = 100,
        max_age: int | None = None,
        beside: bool = False,
        **unknown_keywords: Any,
    ) -> None:
        super().__init_subclass__()
        if unknown_keywords:
            raise DeclarationError(
                cls.__name__,
                f"a ViewModel knows no {next(iter(unknown_keywords))}=; it knows collection=, name=, max_depth=, "
                "max_documents=, max_age=, beside=",
            )
        for keyword, number in (("max_depth", max_depth), ("max_documents", max_documents)):
            if number is not None and number < 1:
                raise DeclarationError(cls.__name__, f"{keyword}={number} allows nothing; give a number above 0")
        check_max_age(cls.__name__, max_age)
        cls.__bff_scope__ = local_names(sys._getframe(1))
        cls.__view__ = ViewDefinition(
            name=name or cls.__name__,
            view=cls,
            declared_collection=_checked_collection(cls.__name__, collection or cls.__name__),
            description=inspect.cleandoc(cls.__doc__) if cls.__doc__ else None,
            max_documents=max_documents,
            depth_limit=max_depth,
            max_age=max_age,
            beside=beside,
        )
        check_view(cls)
        # An annotation may name a class that is declared further down: resolved on first use, by the Catalog at the latest.
        with suppress(Unresolved):
            cls.__view__.resolve(eagerly=True)
        cls.__bff_declared__ = True

    def __init__(self) -> None:
        name = type(self).__name__
        raise TypeError(f"a {name} is built from its documents; to point to one, write {name}.of(…)")

    @classmethod
    def of(cls, *roots: DomainModel | Ref[Any] | str) -> Self:
        """The view of these root documents (or their ids), unread: to link to it from a field, or to return it from a mutation.

        Raises BadUserInput where what is given is not what the view's roots are.
        """
        declared = cls.__view__.store.__store__.roots
        if len(roots) != len(declared):
            raise BadUserInput(
                f"{cls.__name__}.of takes {len(declared)} roots ({', '.join(r.name for r in declared)}), not {len(roots)}"
            )
        ids = []
        for root, given in zip(declared, roots, strict=True):
            path = given if isinstance(given, str) else given.path
            if not isinstance(given, str) and path != f"{root.model.__collection__}/{document_id(path)}":
                raise BadUserInput(f"{cls.__name__}.of: {root.name} is a {root.model.__name__}, and {path} is none")
            ids.append(given if isinstance(given, str) else document_id(path))
        return cls._handle(join_key(ids))

    def readers(self) -> Readers:
        """Who may see this view: define it to say so, everybody may otherwise.

        It is computed with the fields, from ``self.store`` and from them, and stored with the view, so that it is known whenever
        the view is: no query asks for it. A view that cannot be seen is shown as one that is not there.
        """
        return Readers.public()

    @classmethod
    def split_key(cls, key: str) -> tuple[str, ...]:
        """The ids of the root documents of a key. Raises BadUserInput where it is none."""
        return split_key(key, len(cls.__view__.store.__store__.roots), cls.__view__.name)

    @classmethod
    def _handle(cls, key: str) -> Self:
        made = cls.__new__(cls)
        made.id = key
        return made

    @classmethod
    def _opened(cls, evaluation: Evaluation) -> Self:
        made = cls._handle(evaluation.key)
        made.__dict__["_evaluation"] = evaluation
        made.__dict__["store"] = evaluation.store
        return made

    def _evaluation_of(self, field: str) -> Evaluation:
        evaluation = self.__dict__.get("_evaluation")
        if evaluation is None:
            raise BuildError(
                f"{type(self).__name__}.{field} cannot be read here: {self!r} only points to the view; clients read its fields, "
                "and this code can read the documents that it is made of"
            )
        return cast("Evaluation", evaluation)

    def __getattr__(self, name: str) -> Any:
        if name == "store":
            self._evaluation_of(name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.id == getattr(other, "id", None)

    def __hash__(self) -> int:
        return hash((type(self), self.id))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id})"

    @classmethod
    def __bff_shape__(cls, annotation: Any, where: str) -> Shape:
        return LinkShape(cls)

    @classmethod
    def __bff_union_shape__(cls, members: tuple[type[ViewModel], ...]) -> Shape:
        return LinkUnionShape(members)


class LinkShape(Shape):
    """A view that is pointed to, stored as its key."""

    filterable = True

    def __init__(self, view: type[ViewModel]) -> None:
        self.view = view
        self.views = (view,)
        self.stored_as = view.__view__.name

    def encode(self, value: Any) -> Value:
        if type(value) is not self.view:
            raise expected(f"{self.view.__name__}, e.g. {self.view.__name__}.of(…)", value)
        key: str = value.id
        return key

    def decode(self, stored: Any) -> ViewModel:
        if not isinstance(stored, str):
            raise expected(f"the key of a {self.view.__name__}", stored)
        return self.view._handle(stored)


class LinkUnionShape(Shape):
    """One of several kinds of view that is pointed to, stored as its kind and its key: ``Circle:c1``."""

    def __init__(self, views: tuple[type[ViewModel], ...]) -> None:
        self.views = views
        self.stored_as = "|".join(view.__view__.name for view in views)
        self._by_name = {view.__view__.name: view for view in views}
        self._expected = " or ".join(self._by_name)

    def encode(self, value: Any) -> Value:
        if type(value) not in self.views:
            raise expected(f"{self._expected}, e.g. {self.views[0].__name__}.of(…)", value)
        return f"{value.__view__.name}:{value.id}"

    def decode(self, stored: Any) -> ViewModel:
        name, colon, key = stored.partition(":") if isinstance(stored, str) else ("", "", "")
        view = self._by_name.get(name)
        if view is None or not colon:
            raise expected(f"the kind and key of a {self._expected}", stored)
        return view._handle(key)


def _checked_collection(view: str, collection: str) -> str:
    try:
        check_id(collection)
    except BadUserInput as error:
        raise DeclarationError(view, f"collection={collection!r}: {error}; choose a plain word") from None
    if collection.startswith("_bff"):
        raise DeclarationError(view, f"collection={collection!r}: collections that begin with _bff are bff's own; rename it")
    return collection
