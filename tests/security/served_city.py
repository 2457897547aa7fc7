"""What ``bff serve`` serves of the city, where a test needs a process and a port."""

from __future__ import annotations

from tests.security.city import city

__all__ = ["app"]

app = city()
