"""A broadcast that an app was given may have other listeners than its own hub: what it writes is announced to them as well."""

from __future__ import annotations

import asyncio

import pytest

from bff import App, Settings
from bff.broadcast.connect import open_broadcast
from bff.broadcast.port import Message
from bff.live.announcement import Announcement
from bff.live.channels import Channels
from bff.testing.harness import AppHarness
from tests.lamps import Lamp, LampView

pytestmark = pytest.mark.anyio

NAMESPACE = "shared"


async def test_what_its_own_hub_was_told_is_announced_to_others() -> None:
    shared = open_broadcast("memory://")
    app = App(views=[LampView], broadcast=shared)
    settings = Settings(datastore_url="sqlite://", broadcast_url="memory://", broadcast_namespace=NAMESPACE)
    async with AppHarness(app, settings=settings) as running:
        await Lamp(id="l").save()
        async with shared.subscribe(Channels(NAMESPACE).of("LampView", "l")) as heard:
            answer = await running.execute('mutation { lampSwitch(id: "l") { switched version } }')
            version = int(answer["data"]["lampSwitch"]["version"])
            async with asyncio.timeout(running.timeout):
                async for message in heard:
                    if (
                        isinstance(message, Message)
                        and message.key == "l"
                        and Announcement.from_message(message).version == version
                    ):
                        break
