"""What every body has in common: camelCase on the wire, and no field that is not declared."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel


class Asked(BaseModel):
    """A body, or the query of a list, as a client sends it: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _can_be_stored(cls, given: Any) -> Any:
        """JSON can write half a surrogate pair, but nothing that Cairn stores or answers can hold it."""
        try:
            json.dumps(given, ensure_ascii=False, default=str).encode()
        except UnicodeEncodeError:
            raise ValueError("a text has half of a surrogate pair, which is no character") from None
        return given


class Told(BaseModel):
    """A body as it is answered; made from the names of Python."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True
    )


class FieldError(Told):
    """One thing wrong in a request."""

    field: str = Field(description="Where: a path such as `jobs[2].when`, or the name of a parameter.")
    message: str = Field(description="What is wrong there.")


class ProblemDetails(Told):
    """What every error is told as (RFC 9457)."""

    type: str = Field(description="The kind of problem; stable. docs/api.md lists them.")
    title: str = Field(description="The kind in words.")
    status: int = Field(description="The status of the answer.", ge=400, le=599)
    detail: str = Field(description="What is wrong with this request.")
    instance: str = Field(description="The path that was asked for.")
    success: Literal[False]
    next: str = Field(description="What to do next.")
    request_id: str = Field(description="The id under which the log tells more; also in X-Request-ID.")
    errors: list[FieldError] = Field(description="Each field that is wrong; empty where no field is to blame.")
