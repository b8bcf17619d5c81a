"""Settings of the operator process: frozen, from the environment, checked once at the start."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from cairn.core.sharding import Selection
from cairn.errors import NotConfigured

DATABASE = {"database_url": "DATABASE_URL", "database_url_file": "DATABASE_URL_FILE"}

_PREFIX = "CAIRN_"
_SHARD = r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$"  # a label's value, and a part of names
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

M = TypeVar("M", bound=BaseModel)


class LogSettings(BaseModel):
    """How a process of Cairn logs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    log_format: str = Field("json", pattern="^(json|text)$")
    """`json` for machines, `text` for a terminal."""
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    """The least level that is logged."""


class DatabaseSettings(BaseModel):
    """Where a process of Cairn finds the database."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database_url: SecretStr | None = None
    """Its address (from DATABASE_URL); without one, and without a file, checkpoints are objects only."""
    database_url_file: Path | None = None
    """A file that holds the address (from DATABASE_URL_FILE), read anew for each connection: so it can change."""

    @model_validator(mode="after")
    def _one_at_most(self) -> Self:
        if self.database_url is not None and self.database_url_file is not None:
            raise ValueError("DATABASE_URL and DATABASE_URL_FILE are both set: unset one, they may not say the same")
        return self

    def address(self) -> str | Callable[[], str] | None:
        """The address, or what tells it anew each time; that raises NotConfigured. None: there is no database."""
        if (file := self.database_url_file) is not None:
            return lambda: _read_address(file)
        return self.database_url.get_secret_value() if self.database_url else None


def _read_address(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise NotConfigured(f"DATABASE_URL_FILE: {file} cannot be read: {why}") from error
    if not text:
        raise NotConfigured(f"DATABASE_URL_FILE: {file} is empty: it has to hold the address of a database")
    return text


class Settings(LogSettings, DatabaseSettings):
    """How the operator runs. Each field is read from `CAIRN_<FIELD>`; empty is not set."""

    namespaces: tuple[str, ...] = ()
    """Namespaces to watch; empty: all of them."""
    workers: int = Field(16, ge=1, le=256)
    """Executions worked on at once."""
    resync_seconds: float = Field(600, ge=1)
    """How often everything is looked at, events or not, and compared with what there is."""
    watch_silence_seconds: float = Field(70, ge=5, le=600)
    """How long a watch may bring nothing before it is opened anew; the API server sends a bookmark each minute."""
    health_port: int = Field(8080, ge=0, le=65535)
    """Where /livez and /readyz are served; 0: not at all."""
    health_host: str = "127.0.0.1"
    """The address they are served on."""
    home_namespace: str = ""
    """Where the Lease is, and where deletes are remembered while the database is away; empty: the pod's own."""
    leader_election: bool = False
    """Whether only the replica works that holds the Lease; the others stand by."""
    lease_name: str = Field("cairn-operator", pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)
    """The Lease that replicas agree by."""
    lease_seconds: int = Field(8, ge=4, le=300)
    """How long a standby waits for a leader that is not heard of; the leader acts 5/8 of it, and renews it each 1/8."""
    shutdown_seconds: float = Field(10, ge=0, le=600)
    """How long what is under way may take to end once the process was told to stop."""
    object_state_bytes: int = Field(1_000_000, ge=1000, le=1_100_000)
    """Characters of serialized state, compressed, that a Checkpoint object may hold; larger ones are rows only."""
    fork_across_namespaces: bool = False
    """Whether checkpoints of other namespaces may be forked; only with the admission policy for that installed."""
    sweep_seconds: float = Field(300, ge=1)
    """How often objects and rows are compared."""
    shard: str = Field("", pattern=_SHARD)
    """Work only on what has this value of the label cairn.dev/shard; empty: see `shards`."""
    shards: tuple[Annotated[str, Field(pattern=_SHARD, min_length=1)], ...] = ()
    """Shards that have operators of their own: give new executions to them. Empty: work on everything."""

    @model_validator(mode="after")
    def _one_role(self) -> Self:
        if self.shard and self.shards:
            raise ValueError("CAIRN_SHARD and CAIRN_SHARDS are both set: only the operator without a shard hands over")
        if len(set(self.shards)) < len(self.shards):
            raise ValueError("CAIRN_SHARDS: a shard is named twice")
        return self

    @property
    def selection(self) -> Selection:
        """What this operator is told of."""
        return Selection(self.shard, self.shards)


def replica_name() -> str:
    """What people know this replica by: its pod, or outside of one its machine."""
    return os.environ.get("POD_NAME") or socket.gethostname()


def home_of(settings: Settings) -> str:
    """The namespace that the operator keeps its own objects in."""
    return settings.home_namespace or (_ACCOUNT.read_text().strip() if _ACCOUNT.exists() else "default")


def lease_of(settings: Settings) -> str:
    """The Lease that the replicas of this operator agree by: those of each shard by one of their own."""
    return f"{settings.lease_name}-{settings.shard}" if settings.shard else settings.lease_name


def variable(field: str) -> str:
    """The environment variable that a setting is read from."""
    return DATABASE.get(field, _PREFIX + field.upper())


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings that the environment gives. Raises pydantic's ValidationError, which names the field."""
    return read(Settings, variable, ("namespaces", "shards"), environment)


def database_from_environment(environment: Mapping[str, str] | None = None) -> DatabaseSettings:
    """Those of the database alone, likewise."""
    return read(DatabaseSettings, variable, (), environment)


def read(
    model: type[M], variable: Callable[[str], str], lists: Collection[str], environment: Mapping[str, str] | None
) -> M:
    """Settings from the variables of their fields; those of `lists` are separated by commas, empty is not set."""
    given = os.environ if environment is None else environment
    found: dict[str, object] = {}
    for name in model.model_fields:
        if (value := given.get(variable(name))) not in (None, ""):
            found[name] = tuple(filter(None, value.split(","))) if name in lists else value
    return model.model_validate(found)
