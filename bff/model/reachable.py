"""What declarations lead to: the models behind views, Mediators and other models, and the views that values show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bff.model.compounds import DictShape, ListShape, ModelShape, OptionalShape, UnionShape
from bff.model.declared import known_subclasses
from bff.model.model_type import complete
from bff.model.mutation import declared_mutations
from bff.model.ref import RefShape
from bff.model.shape import Shape
from bff.model.view_model import LinkShape, LinkUnionShape, ViewModel

if TYPE_CHECKING:
    from bff.model.domain_model import DomainModel

__all__ = ["models_of", "shown_views"]


def models_of(
    views: Iterable[Any], mediators: Iterable[Any], models: Iterable[Any], names: Mapping[str, type]
) -> list[type[DomainModel]]:
    """Every model that the declarations lead to, each after what led to it."""
    found: dict[type[DomainModel], None] = {}
    waiting: list[Any] = list(models)
    for view in views:
        waiting += [reference.model for reference in view.__view__.store.__store__.references]
        waiting += [model for field in view.__view__.fields.values() for model in _refs(field.codec.shape, set())]
    for mediator in mediators:
        definition = mediator.__mediator__
        waiting += [declared.model for declared in (*definition.sources, *definition.sinks)]
        waiting += _parameter_models(mediator, names)
    while waiting:
        model = waiting.pop(0)
        if model in found:
            continue
        found[model] = None
        definition = complete(model, names)
        waiting += [target for field in definition.fields.values() for target in _refs(field.codec.shape, set())]
        waiting += _parameter_models(model, names)
        waiting += _children(model)
    return list(found)


def _children(model: type[DomainModel]) -> list[type[Any]]:
    """The subclasses of a model, the latest of each name, without those that are local to a function which the model is not."""
    scope = model.__qualname__.rpartition(".")[0]
    beside = [
        child
        for child in known_subclasses(model)
        if "<locals>" not in child.__qualname__ or child.__qualname__.rpartition(".")[0] == scope
    ]
    return list({child.__name__: child for child in beside}.values())


def _parameter_models(owner: Any, names: Mapping[str, type]) -> Iterator[type[DomainModel]]:
    for mutation in declared_mutations(owner, names):
        for parameter in mutation.parameters:
            if parameter.model is not None:
                yield parameter.model
            elif parameter.codec is not None:
                yield from _refs(parameter.codec.shape, set())


def _refs(shape: Shape, seen: set[Shape]) -> Iterator[type[DomainModel]]:
    """The models that the values of a shape point to."""
    if shape in seen:
        return
    seen.add(shape)
    match shape:
        case RefShape():
            yield shape.model
        case OptionalShape():
            yield from _refs(shape.inner, seen)
        case ListShape():
            yield from _refs(shape.element, seen)
        case DictShape():
            yield from _refs(shape.value, seen)
        case ModelShape():
            for _, inner in shape.fields.values():
                yield from _refs(inner, seen)
        case UnionShape():
            for member in shape.members:
                yield from _refs(member, seen)


def shown_views(shape: Shape) -> Iterator[type[ViewModel]]:
    """The views that the values of a shape point to."""
    match shape:
        case LinkShape() | LinkUnionShape():
            yield from shape.views
        case OptionalShape():
            yield from shown_views(shape.inner)
        case ListShape():
            yield from shown_views(shape.element)
