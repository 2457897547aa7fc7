"""``bff serve``."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Annotated

import typer
import uvicorn
from uvicorn.config import STARTUP_FAILURE

from bff.commands.garbage import collect_rarely
from bff.commands.loading import AppPath, load_app
from bff.observability.json_log import LogFormat, log_config
from bff.serving.draining_server import DrainingServer
from bff.serving.uvicorn_protocol import HTTPProtocol, WebSocketProtocol
from bff.settings import load_settings

__all__ = ["serve"]


def serve(
    app: AppPath,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8000,
    role: Annotated[str | None, typer.Option(help="all, web, projector or relay. Default: BFF_ROLE, or all.")] = None,
    log_format: Annotated[LogFormat, typer.Option(help="text, or json: one object a line.")] = "text",
) -> None:
    """Serve an app: GraphQL over HTTP and WebSocket, health, and the upkeep of its views."""
    served = load_app(app)
    served.settings = settings = load_settings(**({} if role is None else {"role": role}))
    collect_rarely()
    config = uvicorn.Config(
        served,
        host=host,
        port=port,
        http=HTTPProtocol,
        ws=WebSocketProtocol,
        ws_per_message_deflate=settings.websocket_compression,
        ws_max_size=settings.limits.message_bytes,
        # Sessions ping by themselves, and close with a code on which clients come back; uvicorn's 1011 is final to them.
        ws_ping_interval=None,
        lifespan="on",
        log_config=log_config(log_format),
        log_level="info",
        access_log=False,
    )
    server = DrainingServer(config, served, seconds=settings.drain_seconds, notice_seconds=settings.drain_notice_seconds)
    with suppress(KeyboardInterrupt):  # what is left of a Ctrl-C, once the server has ended because of it
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)
