"""The kinds of values that the fields of the resources have, with the bounds of the CRDs.

Rules: a word that the core knows is its enum, and may be given as text; a list is a tuple; a time is aware.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, BeforeValidator, Field, PlainSerializer
from pydantic_core import PydanticCustomError

from cairn.core.schema import ID_PATTERN, MAX_INT64, MAX_RETENTION_SECONDS
from cairn.core.times import format_time

T = TypeVar("T")

MAX_INT32 = 2**31 - 1
MAX_TIMEOUT_SECONDS = 315_360_000  # ten years
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAME = rf"{_LABEL}(\.{_LABEL})*"
_CONDITION = rf"^({_NAME}/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$"


def _time(value: Any) -> Any:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise PydanticCustomError("timestamp", "should be a time such as 2026-01-31T18:00:00Z") from None


def _object_name(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(_NAME, value):
        raise PydanticCustomError(
            "name", "should be lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit"
        )
    return value


Word = Annotated[T, Field(strict=False)]  # strict mode would only take enum members
List = Annotated[tuple[T, ...], Field(strict=False)]  # and only tuples

Timestamp = Annotated[AwareDatetime, BeforeValidator(_time), PlainSerializer(format_time, when_used="json")]

Int32 = Annotated[int, Field(ge=-MAX_INT32 - 1, le=MAX_INT32)]
Count = Annotated[int, Field(ge=0, le=MAX_INT32)]
LongCount = Annotated[int, Field(ge=0, le=MAX_INT64)]
Timeout = Annotated[int, Field(ge=0, le=MAX_TIMEOUT_SECONDS)]
Retained = Annotated[int, Field(ge=0, le=MAX_RETENTION_SECONDS)]

# What somebody writes: not empty.
Id = Annotated[str, Field(pattern=ID_PATTERN, min_length=1, max_length=63)]
WrittenJob = Annotated[str, Field(min_length=1, max_length=63)]
WrittenName = Annotated[str, Field(min_length=1, max_length=253)]
WrittenCheckpointId = Annotated[str, Field(min_length=1, max_length=128)]
ObjectName = Annotated[str, Field(max_length=253), BeforeValidator(_object_name)]
NamespaceName = Annotated[
    str,
    Field(pattern="^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", min_length=1, max_length=63),
    BeforeValidator(_object_name),
]

# What the operator tells.
Uid = Annotated[str, Field(max_length=36)]
JobId = Annotated[str, Field(max_length=63)]
Namespace = Annotated[str, Field(max_length=63)]
Digest = Annotated[str, Field(max_length=64)]
Reason = Annotated[str, Field(max_length=64)]
CheckpointId = Annotated[str, Field(max_length=128)]
Name = Annotated[str, Field(max_length=253)]
Note = Annotated[str, Field(max_length=256)]
Text = Annotated[str, Field(max_length=1024)]
ConditionType = Annotated[str, Field(pattern=_CONDITION, min_length=1, max_length=316)]
ConditionReason = Annotated[
    str, Field(pattern="^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", min_length=1, max_length=1024)
]
