"""Settings of the operator process: frozen, from the environment, checked once at the start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

_PREFIX = "CAIRN_"


_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class LogSettings(BaseModel):
    """How a process of Cairn logs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    log_format: str = Field("json", pattern="^(json|text)$")
    """`json` for machines, `text` for a terminal."""
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    """The least level that is logged."""


class Settings(LogSettings):
    """How the operator runs. Each field is read from `CAIRN_<FIELD>`; empty is not set."""

    namespaces: tuple[str, ...] = ()
    """Namespaces to watch; empty: all of them."""
    workers: int = Field(16, ge=1, le=256)
    """Executions worked on at once."""
    resync_seconds: float = Field(600, ge=1)
    """How often everything is looked at, events or not."""
    health_port: int = Field(8080, ge=0, le=65535)
    """Where /livez and /readyz are served; 0: not at all."""
    health_host: str = "127.0.0.1"
    """The address they are served on."""
    database_url: SecretStr | None = None
    """Where checkpoints are kept as rows (from DATABASE_URL); without it they are objects only."""
    home_namespace: str = ""
    """Where deletes are remembered while the database is away; empty: the pod's own, and outside of one `default`."""
    object_state_bytes: int = Field(1_000_000, ge=1000, le=1_100_000)
    """Characters of serialized state, compressed, that a Checkpoint object may hold; larger ones are rows only."""
    fork_across_namespaces: bool = False
    """Whether checkpoints of other namespaces may be forked; only with the admission policy for that installed."""
    sweep_seconds: float = Field(300, ge=1)
    """How often objects and rows are compared."""


def home_of(settings: Settings) -> str:
    """The namespace that the operator keeps its own objects in."""
    return settings.home_namespace or (_ACCOUNT.read_text().strip() if _ACCOUNT.exists() else "default")


def variable(field: str) -> str:
    """The environment variable that a setting is read from."""
    return "DATABASE_URL" if field == "database_url" else _PREFIX + field.upper()


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings that the environment gives. Raises pydantic's ValidationError, which names the field."""
    given = os.environ if environment is None else environment
    found: dict[str, object] = {}
    for name in Settings.model_fields:
        if (value := given.get(variable(name))) not in (None, ""):
            found[name] = tuple(filter(None, value.split(","))) if name == "namespaces" else value
    return Settings.model_validate(found)
