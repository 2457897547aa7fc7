"""The meeting room, and how many subscriptions it holds: ``bff serve tests.clients.counted:app``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from meeting_room import page
from meeting_room.mediators import MeetingRoom
from meeting_room.views import MeetingSession, UserView
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import bff
from bff.live.hub import Hub
from bff.runtime import Runtime
from bff.settings import Settings

__all__ = ["app"]


class Counted(bff.App):
    """Clients can be asked to leave nothing behind: what the hub holds is told."""

    hub: Hub | None = None

    @asynccontextmanager
    async def running(self, settings: Settings | None = None) -> AsyncIterator[Runtime]:
        async with super().running(settings) as runtime:
            self.hub = runtime.hub
            yield runtime


async def subscriptions(request: Request) -> Response:
    assert app.hub is not None
    return JSONResponse({"subscriptions": app.hub.subscriptions})


app = Counted(
    views=[MeetingSession, UserView],
    mediators=[MeetingRoom],
    routes=[Route("/subscriptions", subscriptions), *page.routes()],
)
