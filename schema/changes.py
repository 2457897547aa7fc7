"""``MeetingSessionChange``: an event of a live list."""

# mypy: untyped-calls-exclude=graphene
from __future__ import annotations

from typing import Any, Final

import graphene

from bff.live.changes import ChangeKind
from bff.model.view_model import ViewModel
from bff.schema.names import describe_class
from bff.schema.types import Types, object_type

__all__ = ["change"]

KINDS: Final = {
    None: "What an event of a live list says.",
    ChangeKind.CURRENT: "The list as it is now, in `page`: the first event, unless the subscription goes on from a version.",
    ChangeKind.ADDED: "A view has come: put it right after `previous`.",
    ChangeKind.MODIFIED: "A view has changed, or what it links to: replace it where it stands.",
    ChangeKind.REMOVED: "A view has gone, or does not belong to the list any more.",
    ChangeKind.MOVED: "A view stands elsewhere now, and may have changed: put it right after `previous`.",
}

ChangeKindEnum = graphene.Enum.from_enum(ChangeKind, name="ChangeKind", description=KINDS.__getitem__)


def change(types: Types, view: type[ViewModel], connection: Any) -> Any:
    """``MeetingSessionChange``. ``connection`` is the view's."""
    name = view.__view__.name
    change_name = f"{name}Change"
    types.names.claim(change_name, ("change", view), f"the change of lists of {describe_class(view)}")
    types.enums[ChangeKind] = ChangeKindEnum
    fields = (
        graphene.Field(graphene.NonNull(ChangeKindEnum), name="kind"),
        graphene.Field(graphene.ID, name="id", description="The key of the view that the change is of; null for CURRENT."),
        graphene.Field(types.view(view), name="node", description="The view; null for CURRENT and REMOVED."),
        graphene.Field(
            graphene.String, name="cursor", description="Its place in the order, as in the list; null for CURRENT and REMOVED."
        ),
        graphene.Field(
            graphene.ID,
            name="previous",
            description="The key of the view before it, once the change is made; null where it is the first, and for REMOVED.",
        ),
        graphene.Field(
            graphene.ID,
            name="next",
            description="The key of the view after it, once the change is made; null where it is the last, and for REMOVED.",
        ),
        graphene.Field(connection, name="page", description="The list as it is now; null for everything but CURRENT."),
    )
    about = f"What happened to a list of {name}s. Changes are made one after another; then the list is as it is stored."
    return object_type(change_name, fields, about, name)
