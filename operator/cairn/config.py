"""Settings of the operator process: frozen, from the environment, checked once at the start."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

_PREFIX = "CAIRN_"


class Settings(BaseModel):
    """How the operator runs. Each field is read from `CAIRN_<FIELD>`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    log_format: str = Field("json", pattern="^(json|text)$")
    """`json` for machines, `text` for a terminal."""
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    """The least level that is logged."""


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings that the environment gives. Raises pydantic's ValidationError, which names the field."""
    given = os.environ if environment is None else environment
    found: dict[str, object] = {}
    for name in Settings.model_fields:
        if (value := given.get(_PREFIX + name.upper())) is not None:
            found[name] = tuple(filter(None, value.split(","))) if name == "namespaces" else value
    return Settings.model_validate(found)
