"""Opens the broadcast that a URL names."""

from __future__ import annotations

from urllib.parse import urlsplit

from bff.broadcast.broadcaster import BroadcasterBroadcast
from bff.broadcast.port import Broadcast
from bff.errors import SettingsError

__all__ = ["open_broadcast"]


def open_broadcast(url: str) -> Broadcast:
    """The broadcast for ``memory://`` (this process alone), ``redis://host:port`` or ``rediss://…``, not yet entered.

    An adapter is imported only when its scheme is asked for. Raises SettingsError.
    """
    match urlsplit(url).scheme:
        case "memory":
            from bff.broadcast.memory import MemoryBackend

            return BroadcasterBroadcast(MemoryBackend(), url)
        case "redis" | "rediss":
            try:
                from bff.broadcast.redis import RedisBackend
            except ModuleNotFoundError as error:
                if error.name is None or error.name.partition(".")[0] != "redis":
                    raise
                raise SettingsError(f"{urlsplit(url).scheme}:// needs the redis package: pip install 'bff[redis]'") from None
            backend = RedisBackend(url)
            return BroadcasterBroadcast(backend, backend.url)
        case other:
            raise SettingsError(f"{other!r} is no broadcast: use memory://, redis://host:port or rediss://host:port")
