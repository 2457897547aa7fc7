"""The meeting room as an ASGI app: ``bff serve meeting_room.app:app``."""

from __future__ import annotations

import bff
from meeting_room import page
from meeting_room.mediators import MeetingRoom
from meeting_room.views import MeetingSession, UserView

__all__ = ["app"]

app = bff.App(views=[MeetingSession, UserView], mediators=[MeetingRoom], routes=page.routes())
