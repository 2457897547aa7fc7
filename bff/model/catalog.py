"""Everything that an app declares, found and checked together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import combinations
from typing import TYPE_CHECKING, Any

from bff.errors import DeclarationError
from bff.model.declared import kind_of
from bff.model.effect import Effect
from bff.model.form import Form
from bff.model.mutation import MutationDefinition, declared_mutations
from bff.model.reachable import models_of, shown_views
from bff.model.view_model import ViewModel

if TYPE_CHECKING:
    from bff.model.domain_model import DomainModel
    from bff.model.mediator import Mediator

__all__ = ["Catalog"]


@dataclass(frozen=True)
class Catalog:
    """The declarations of one app, by name. Every forward reference in them is resolved."""

    views: Mapping[str, type[ViewModel]]
    models: Mapping[str, type[DomainModel]]
    mediators: tuple[type[Mediator], ...]
    mutations: Mapping[str, MutationDefinition]
    effects: tuple[Effect[Any], ...] = ()
    forms: tuple[type[Form], ...] = ()

    @cached_property
    def beside(self) -> Mapping[str, type[ViewModel]]:
        """The views that are stored beside those of other definitions, by their storage."""
        return {view.__view__.storage: view for view in self.views.values() if view.__view__.beside}

    @cached_property
    def beside_code(self) -> str:
        """Another one where one of these definitions is another; empty where there are none."""
        return sha256("\n".join(sorted(self.beside)).encode()).hexdigest()[:12] if self.beside else ""

    @staticmethod
    def of(
        views: Iterable[type[ViewModel]],
        mediators: Iterable[type[Mediator]] = (),
        models: Iterable[type[DomainModel]] = (),
        effects: Iterable[Effect[Any]] = (),
        forms: Iterable[type[Form]] = (),
    ) -> Catalog:
        """The catalog of these declarations, and of the models that they lead to: those that stores read, that Refs and
        parameters point to, that Mediators react to and make, and their subclasses (those that are local to a function
        only beside their parent; name others in ``models``).

        Raises DeclarationError where two things have one name or one collection, where a name is unknown, or where a view that is
        linked to or returned is not among the views.
        """
        views, mediators, models = tuple(views), tuple(mediators), tuple(models)
        _check_kinds(views, mediators, models)
        names: dict[str, type] = {declared.__name__: declared for declared in (*models, *mediators, *views)}
        for view in views:
            view.__view__.resolve(names)
        effects = _checked_effects(effects)
        forms = tuple(forms)
        _check_forms(forms, mediators)
        made = (model for form in forms for model in form.__form__.creates.values())
        found = models_of(views, mediators, (*models, *made), names)
        by_name = _unique(found, "DomainModel")
        catalog = Catalog(
            views={view.__view__.name: view for view in views},
            models=by_name,
            mediators=mediators,
            mutations=_mutations((*found, *mediators), names),
            effects=effects,
            forms=forms,
        )
        _check_views(views)
        _check_collections(views, found)
        catalog._check_links()
        catalog._check_mutations()
        return catalog

    def roots_of(self, model: type[DomainModel]) -> tuple[type[ViewModel], ...]:
        """The views whose only root is a document of this class: their key is its id."""
        return tuple(
            view
            for view in self.views.values()
            if len(roots := view.__view__.store.__store__.roots) == 1 and issubclass(model, roots[0].model)
        )

    def _check_links(self) -> None:
        listed = set(self.views.values())
        for view in listed:
            for field in view.__view__.fields.values():
                for linked in () if field.link is None else field.link.views:
                    if linked not in listed:
                        raise DeclarationError(
                            f"{view.__name__}.{field.name}",
                            f"it links to {linked.__name__}, which is not among the views; add it: App(views=[…])",
                        )

    def _check_mutations(self) -> None:
        updates = {view.__view__.update_name: view for view in self.views.values() if view.__view__.has_setters}
        listed = set(self.views.values())
        for mutation in self.mutations.values():
            where = f"{mutation.owner.__name__}.{mutation.attribute}"
            for error in mutation.errors:
                for one in error.fields:
                    for view in shown_views(one.codec.shape):
                        if view not in listed:
                            raise DeclarationError(
                                f"{error.name}.{one.name}",
                                f"it shows {view.__name__}, which is not among the views; add it: App(views=[…])",
                            )
            if mutation.name in updates:
                raise DeclarationError(
                    where, f"{mutation.name} is what updates {updates[mutation.name].__name__}; give it a name="
                )
            view = mutation.returns
            if kind_of(view) != "view":
                continue
            if view not in listed:
                raise DeclarationError(where, f"it returns {view.__name__}, which is not among the views; add it: App(views=[…])")
            owner = mutation.owner
            answers = mutation.function.__annotations__.get("return") not in {None, "None"}
            if (
                kind_of(owner) == "document"
                and not answers
                and (
                    not mutation.on_instance or view not in self.roots_of(owner)  # type: ignore[arg-type]
                )
            ):
                why = (
                    "it is of no document" if not mutation.on_instance else f"{view.__name__} is not keyed by a {owner.__name__}"
                )
                raise DeclarationError(
                    where,
                    f"{why}, so nothing tells which {view.__name__} to answer with; "
                    f"return {view.__name__}.of(…) from the method, annotated -> {view.__name__}",
                )


def _check_forms(forms: tuple[Any, ...], mediators: tuple[Any, ...]) -> None:
    for form in forms:
        if kind_of(form) != "form":
            raise DeclarationError("forms=[…]", f"{form!r} is no Form class")
        form.__form__.entries()
    # Their notes are kept under their names.
    _unique((*mediators, *forms), "Mediator or Form")
    for one, other in combinations(forms, 2):
        path, taken = other.__form__.path, one.__form__.path
        if path.overlaps(taken):
            raise DeclarationError(
                other.__name__,
                f"path={path.pattern!r}: a document of it can be one of {one.__name__}, {taken.pattern!r}; change one",
            )


def _checked_effects(effects: Iterable[Any]) -> tuple[Effect[Any], ...]:
    found: dict[str, Effect[Any]] = {}
    for one in effects:
        if not isinstance(one, Effect):
            raise DeclarationError("effects=[…]", f"{one!r} is no effect; put @effect over the function")
        if found.setdefault(one.name, one) is not one:
            raise DeclarationError("effects=[…]", f"two effects are called {one.name!r}; give one of them a name=")
        _ = one.codec  # its annotation is understood now, or nobody starts
    return tuple(found.values())


def _check_kinds(views: tuple[Any, ...], mediators: tuple[Any, ...], models: tuple[Any, ...]) -> None:
    for keyword, kind, what, given in (
        ("views", "view", "ViewModel", views),
        ("mediators", "mediator", "Mediator", mediators),
        ("models", "document", "DomainModel", models),
    ):
        for one in given:
            if kind_of(one) != kind:
                raise DeclarationError(f"{keyword}=[…]", f"{one!r} is no {what} class")
        for one in given:
            if given.count(one) > 1:
                raise DeclarationError(f"{keyword}=[…]", f"{one.__name__} is in it twice; remove one")
        _unique(given, what)


def _unique(declared: Iterable[Any], what: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in declared:
        name = one.__view__.name if kind_of(one) == "view" else one.__name__
        if found.setdefault(name, one) is not one:
            other = found[name]
            raise DeclarationError(
                name,
                f"two {what} classes have this name, {_place(other)} and {_place(one)}; rename one",
            )
    return found


def _place(declared: type) -> str:
    return f"{declared.__module__}.{declared.__qualname__}"


def _mutations(owners: Iterable[Any], names: Mapping[str, type]) -> dict[str, MutationDefinition]:
    found: dict[str, MutationDefinition] = {}
    for owner in owners:
        for definition in declared_mutations(owner, names):
            other = found.setdefault(definition.name, definition)
            # Subclasses have their parent's mutations, under the parent's name.
            if (other.owner, other.attribute) != (definition.owner, definition.attribute):
                raise DeclarationError(
                    f"{definition.owner.__name__}.{definition.attribute}",
                    f"{other.owner.__name__}.{other.attribute} is called {definition.name!r} too; give one a name=",
                )
    return found


def _check_views(views: Iterable[type[ViewModel]]) -> None:
    taken: dict[str, str] = {"node": "the query for any node"}
    for view in views:
        for name in (view.__view__.query_name, view.__view__.list_name):
            if name in taken:
                raise DeclarationError(
                    view.__name__, f"its query {name!r} is that of {taken[name]} too; rename the view, or give it name="
                )
            taken[name] = view.__name__


def _check_collections(views: Iterable[type[ViewModel]], models: Iterable[type[DomainModel]]) -> None:
    roots: dict[str, type] = {}
    for model in models:
        base = next(cls for cls in reversed(model.__mro__) if hasattr(cls, "__collection__"))
        if roots.setdefault(model.__collection__, base) is not base:
            raise DeclarationError(
                model.__name__,
                f"the collection {model.__collection__!r} is that of {roots[model.__collection__].__name__} too; "
                "rename it, or make one a subclass of the other",
            )
    taken: dict[str, type] = dict(roots)
    for view in views:
        collection = view.__view__.declared_collection
        if collection in taken:
            raise DeclarationError(
                view.__name__,
                f"its collection {collection!r} is that of {taken[collection].__name__} too; give it another collection=",
            )
        taken[collection] = view
