"""``bff serve``."""

from __future__ import annotations

import gc
from typing import Annotated

import typer
import uvicorn

from bff.commands.loading import AppPath, load_app
from bff.serving.uvicorn_protocol import HTTPProtocol, WebSocketProtocol
from bff.settings import load_settings

__all__ = ["serve"]

GRACEFUL_SHUTDOWN_SECONDS = 10


def serve(
    app: AppPath,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8000,
    role: Annotated[str | None, typer.Option(help="all, web, projector or relay. Default: BFF_ROLE, or all.")] = None,
) -> None:
    """Serve an app: GraphQL over HTTP and WebSocket, health, and the upkeep of its views."""
    served = load_app(app)
    served.settings = load_settings(**({} if role is None else {"role": role}))
    # Modules and the schema are here to stay: a full garbage collection, which everybody waits for, need not look at them.
    gc.collect()
    gc.freeze()
    uvicorn.run(
        served,
        host=host,
        port=port,
        http=HTTPProtocol,
        ws=WebSocketProtocol,
        ws_per_message_deflate=served.settings.websocket_compression,
        ws_max_size=served.settings.limits.message_bytes,
        # Sessions ping by themselves, and close with a code on which clients come back; uvicorn's 1011 is final to them.
        ws_ping_interval=None,
        lifespan="on",
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
        log_level="info",
        access_log=False,
    )
