"""Settings: from the environment, ``bff.toml``, or the ``[tool.bff]`` table of ``pyproject.toml``, in this order."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    PyprojectTomlConfigSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as UnreadableSetting

from bff.errors import SettingsError
from bff.serving.limits import Limits

__all__ = ["Role", "Settings", "load_settings"]

logger = logging.getLogger(__name__)

PREFIX: Final = "BFF_"

Role: TypeAlias = Literal["web", "projector", "relay"]


class Settings(BaseSettings):
    """What a deployment decides. ``datastore_url`` is ``BFF_DATASTORE_URL`` in the environment, and so on."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        toml_file="bff.toml",
        pyproject_toml_table_header=("tool", "bff"),
        extra="forbid",
        frozen=True,
    )

    datastore_url: str = "sqlite:///bff.db"
    """``sqlite:///file.db``, ``sqlite://`` (memory) or ``firestore://project[/database]``."""

    broadcast_url: str = "memory://"
    """``memory://`` (every process relays for itself) or ``redis://host:port``."""

    broadcast_namespace: str = Field(default="", pattern=r"^[\w.-]*$")
    """What the names of the channels begin with; the processes of one app agree on it. By default, it follows from the datastore.

    A Redis server's channels are common to all its databases: apps that share one must not hear each other.
    """

    role: Literal["all", "web", "projector", "relay"] = "all"
    """Which part this process plays; one process plays all by default."""

    graphql_path: str = Field(default="/graphql", pattern="^/")
    """Where GraphQL is served, over HTTP and WebSocket."""

    metrics_path: str = Field(default="/metrics", pattern="^(/.*)?$")
    """Where Prometheus' metrics are served, in every role; empty for nowhere. They are for operators: let no client reach it."""

    tracing: bool = False
    """Whether spans are made for OpenTelemetry, which needs ``bff[otel]``: where they go is its own configuration."""

    drain_seconds: float = Field(default=10.0, ge=0)
    """How long a server that is told to end waits for what runs: mutations, requests, and clients that take their leave."""

    drain_notice_seconds: float = Field(default=0.0, ge=0)
    """How long, before that, it says at ``/readyz`` that it is going and still takes connections, for balancers to move away."""

    builds_at_once: int = Field(default=8, ge=1)
    """How many builds of a projector run at a time, of some views each; on SQLite one, while none is held up."""

    dead_after_attempts: int = Field(default=10, ge=1)
    """After how many attempts a document that no mediator can handle, or an effect that cannot be sent, is set aside."""

    handler_seconds: float = Field(default=60.0, gt=0)
    """How long a mediator may take for one document before that counts as a failure. Seconds."""

    compare_seconds: float = Field(default=30.0, gt=0)
    """How often the views that are looked at are compared with what is stored, in case a message was lost. Seconds."""

    stale_seconds: float = Field(default=5.0, ge=0)
    """How long a query or a subscription waits for the views to be as new as it asks (``minAsOf``). Seconds."""

    idempotency_hours: float = Field(default=24.0, gt=0)
    """How long it is remembered what a mutation with an idempotency key came to. Hours."""

    sent_days: float = Field(default=30.0, gt=0, le=36_500)
    """How long it is remembered that an effect was called, so that nothing that is handled again calls it again. Days."""

    revocation_hours: float = Field(default=48.0, gt=0)
    """How long it is remembered that tokens were revoked: longer than any token lives. Hours."""

    allowed_origins: tuple[str, ...] = ()
    """Pages of other hosts that may use the app (``["https://app.example.com"]``); the own host's may always."""

    production: bool = False
    """Whether strangers use it: then nothing tells of the schema, unless ``introspection`` and ``explorer`` say so."""

    introspection: bool | None = None
    """Whether clients may ask for the schema. By default, where it is not ``production``."""

    explorer: bool | None = None
    """Whether a browser that comes to ``graphql_path`` is given GraphiQL. By default, where it is not ``production``.

    Only where that could ask something: with ``introspection``, and not where trusted documents are the only ones.
    """

    automatic_persisted_queries: bool = True
    """Whether clients may name a document that they have sent before by its SHA-256 hash (Apollo's APQ)."""

    trusted_documents: Path | None = None
    """The manifest of the documents of the app's own clients, as ``bff persist``, Apollo's tools or graphql-codegen write it."""

    trusted_documents_only: bool = True
    """With ``trusted_documents``: whether these are the only ones that are executed. Off while a client is being written."""

    batch_operations: int = Field(default=0, ge=0)
    """How many operations one HTTP request may hold as a list; none by default, a single one is no list."""

    websocket_compression: bool = False
    """Whether WebSocket messages are compressed for clients that offer it (permessage-deflate), where ``bff serve`` serves."""

    compression: bool = True
    """Whether HTTP responses are compressed for clients that accept it; off where a proxy does that."""

    limits: Limits = Limits()
    """What one client may take: ``BFF_LIMITS__BODY_BYTES`` and so on, see ``bff.serving.limits``."""

    def tells_schema(self) -> bool:
        """Whether clients may ask for the schema, and are told of names that they may have meant."""
        return not self.production if self.introspection is None else self.introspection

    def serves_explorer(self) -> bool:
        """Whether there is an explorer, and something that it could do."""
        closed = self.trusted_documents is not None and self.trusted_documents_only
        wanted = not self.production if self.explorer is None else self.explorer
        return wanted and self.tells_schema() and not closed and "web" in self.roles()

    def roles(self) -> frozenset[Role]:
        """The parts that this process plays."""
        if self.role == "all":
            return frozenset({"web", "projector", "relay"})
        return frozenset({self.role})

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (
            init_settings,
            env_settings,
            TomlConfigSettingsSource(settings_cls),
            PyprojectTomlConfigSettingsSource(settings_cls),
        )


def _misspelt(environment: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The variables that decide nothing, each with the setting that is probably meant."""
    settings = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    for name in environment:
        if name.upper().startswith(PREFIX) and name.upper() not in settings:
            for meant in get_close_matches(name.upper(), settings, n=1, cutoff=0.85):
                yield name, meant


def load_settings(**overrides: Any) -> Settings:
    """The settings of this process, but for those given. Raises SettingsError naming each setting that is wrong.

    A variable of the environment whose name is nearly that of a setting is told of in the log: it may be another program's.
    """
    for name, meant in _misspelt(os.environ):
        logger.warning("%s is no setting of bff, and decides nothing: did you mean %s?", name, meant)
    try:
        return Settings(**overrides)
    except ValidationError as wrong:
        lines = [
            f"{'.'.join(map(str, error['loc']))} (BFF_{'__'.join(map(str, error['loc'])).upper()}): {error['msg']}"
            for error in wrong.errors()
        ]
        raise SettingsError("; ".join(lines)) from None
    except UnreadableSetting as wrong:
        # Of a setting that is no plain value only its field and its source are told.
        found = re.search(r'field "(\w+)" from source "EnvSettingsSource"', str(wrong))
        name = f"{found[1]} (BFF_{found[1].upper()})" if found else str(wrong)
        raise SettingsError(f"{name}: the value is not JSON") from None
    except ValueError as wrong:
        raise SettingsError(f"bff.toml or pyproject.toml cannot be read: {wrong}") from None
