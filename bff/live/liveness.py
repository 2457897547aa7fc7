"""Whether what changes in the datastore is told."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Liveness"]


class Liveness(Protocol):
    """The relay of this process (``bff.live.relay``), or what is heard of those of others (``bff.live.pulses``)."""

    @property
    def following(self) -> bool:
        """Whether every change is announced as it happens, as far as anybody knows."""
        ...

    @property
    def gaps(self) -> int:
        """How often it may have missed something; it only ever grows, and has by the time that it is following again."""
        ...
