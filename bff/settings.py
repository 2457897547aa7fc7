"""Settings: from the environment, ``bff.toml``, or the ``[tool.bff]`` table of ``pyproject.toml``, in this order."""

from __future__ import annotations

import re
from typing import Any, Literal, TypeAlias

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

Role: TypeAlias = Literal["web", "projector", "relay"]


class Settings(BaseSettings):
    """What a deployment decides. ``datastore_url`` is ``BFF_DATASTORE_URL`` in the environment, and so on."""

    model_config = SettingsConfigDict(
        env_prefix="BFF_",
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

    builds_at_once: int = Field(default=8, ge=1)
    """How many views a projector builds at a time."""

    compare_seconds: float = Field(default=30.0, gt=0)
    """How often the views that are looked at are compared with what is stored, in case a message was lost. Seconds."""

    allowed_origins: tuple[str, ...] = ()
    """Pages of other hosts that may open a WebSocket (``["https://app.example.com"]``); the own host's may always."""

    introspection: bool = True
    """Whether clients may ask for the schema."""

    limits: Limits = Limits()
    """What one client may take: ``BFF_LIMITS__BODY_BYTES`` and so on, see ``bff.serving.limits``."""

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


def load_settings(**overrides: Any) -> Settings:
    """The settings of this process, but for those given. Raises SettingsError naming each setting that is wrong."""
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
