"""Settings of the API process: frozen, from the environment, checked once at the start."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import limits
from pydantic import AfterValidator, Field, model_validator

from cairn.config import DATABASE, DatabaseSettings, LogSettings, read

_PREFIX = "CAIRN_API_"
_SHARED = DATABASE | {"log_format": "CAIRN_LOG_FORMAT", "log_level": "CAIRN_LOG_LEVEL"}
_LISTS = ("audiences", "cors_origins", "trusted_proxies")


def _rate(text: str) -> str:
    """Checks a rate, such as `500/10second`; the library's own error does not say what is wrong."""
    try:
        limits.parse(text)
    except ValueError:
        raise ValueError("write it as NUMBER/second, or NUMBER/10second for 10 seconds") from None
    return text


Rate = Annotated[str, AfterValidator(_rate)]


class ApiSettings(LogSettings, DatabaseSettings):
    """How the API runs. Each field is read from `CAIRN_API_<FIELD>`; empty is not set."""

    host: str = "127.0.0.1"
    """The address it is served on."""
    port: int = Field(8443, ge=1, le=65535)
    """The port, with TLS or without."""
    tls_cert: Path | None = None
    """A file with the certificate and its chain, as PEM; looked at again every few seconds, so it can be rotated."""
    tls_key: Path | None = None
    """A file with its key."""
    default_namespace: str = "default"
    """Where an execution or a checkpoint is that is named without a namespace."""
    audiences: tuple[str, ...] = ()
    """Tokens must have been made for one of these; empty: for the API server itself."""
    access_seconds: float = Field(5, ge=0, le=60)
    """How long it is remembered that a token is good, or an act allowed."""
    denied_seconds: float = Field(2, ge=0, le=60)
    """How long the opposite is."""
    rate: Rate = "500/10second"
    """How much a caller may ask."""
    failed_rate: Rate = "50/10second"
    """How many requests without a valid token an address may send."""
    body_bytes: int = Field(1_500_000, ge=1024, le=100_000_000)
    """The largest body of a request."""
    timeout_seconds: float = Field(60, gt=0, le=3600)
    """How long an answer may take to begin."""
    shutdown_seconds: int = Field(10, ge=0, le=600)
    """How long requests may take to end once the process was told to."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may call the API; empty: none."""
    trusted_proxies: tuple[str, ...] = ("127.0.0.1",)
    """Addresses or networks whose X-Forwarded-For and X-Forwarded-Proto are believed."""

    @model_validator(mode="after")
    def _both_or_none(self) -> ApiSettings:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("CAIRN_API_TLS_CERT and CAIRN_API_TLS_KEY go together: set both, or none")
        return self


def variable(field: str) -> str:
    """The environment variable that a setting is read from."""
    return _SHARED.get(field, _PREFIX + field.upper())


def from_environment(environment: Mapping[str, str] | None = None) -> ApiSettings:
    """The settings that the environment gives. Raises pydantic's ValidationError, which names the field."""
    return read(ApiSettings, variable, _LISTS, environment)
