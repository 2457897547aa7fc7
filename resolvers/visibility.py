"""Stored views and live updates as whoever asks may see them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bff.live.restricted_hub import RestrictedHub
from bff.model.catalog import Catalog
from bff.model.readers import tokens_of
from bff.principal import Principal
from bff.projection.audience import Audience
from bff.projection.reader import ViewReader
from bff.projection.restricted_reader import RestrictedReader

if TYPE_CHECKING:
    from bff.live.hub import Hub

__all__ = ["Visibility", "Visible"]

REMEMBERED: Final = 1_000
"""For so many audiences it is remembered what they see things through; it is made anew for others."""


@dataclass(frozen=True, slots=True)
class Visible:
    """What one audience sees things through. ``audience`` names it: the same for all who see the same; empty where all do."""

    views: ViewReader
    hub: Hub | RestrictedHub
    audience: str = ""


class Visibility:
    """Tells what a principal sees things through: where no view has readers, that is the same for all."""

    def __init__(self, catalog: Catalog, views: ViewReader, hub: Hub) -> None:
        self._restricts = any(view.__view__.is_restricted for view in catalog.views.values())
        self._views = views
        self._hub = hub
        self._everything = Visible(views, hub)
        # By what tokens are made of: to make them anew for each request costs more than all else here. Not by the Principal,
        # whose claims would be held.
        self._known: OrderedDict[tuple[str | None, str | None, frozenset[str]], Visible] = OrderedDict()

    def of(self, principal: Principal, /) -> Visible:
        """What this principal sees."""
        if not self._restricts:
            return self._everything
        who = (principal.id, principal.tenant, principal.groups)
        known = self._known.get(who)
        if known is not None:
            self._known.move_to_end(who)
            return known
        tokens = tokens_of(principal)
        audience = Audience(tokens)
        name = hashlib.sha256("\n".join(f"{len(one)}:{one}" for one in sorted(tokens)).encode(errors="surrogatepass")).hexdigest()
        known = Visible(RestrictedReader(self._views, audience), RestrictedHub(self._hub, self._views, audience), name)
        self._known[who] = known
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return known
