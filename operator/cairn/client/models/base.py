"""What the models of all resources have in common.

Rules:
1. Attributes are in snake_case, bodies in camelCase; both names are understood.
2. null means not set. `to_body` leaves out what was not set, so that server-side apply owns only what somebody meant,
   and defaults, whether of the API server, of `jobDefaults` or of a checkpoint profile, still apply.
3. What a person writes is closed: a field that does not exist is a mistake. What the operator tells is open: a newer
   one may say more. `from_body` is for what the API server has accepted, so there everything is open.
4. Values are frozen: change a copy, `model.model_copy(update={...})`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from cairn.client.models.dumping import to_yaml
from cairn.client.models.kinds import (
    ConditionReason,
    ConditionType,
    LongCount,
    NamespaceName,
    ObjectName,
    Timestamp,
    WrittenName,
)
from cairn.core import schema


class Written(schema.Model):
    """What a person writes: strict and closed."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    nullable: ClassVar[frozenset[str]] = frozenset()  # fields for which null says something

    @model_validator(mode="before")
    @classmethod
    def _null_is_not_set(cls, given: Any) -> Any:
        return cls._said(given) if isinstance(given, Mapping) else given

    @model_serializer(mode="wrap")
    def _without_nulls(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return self._said(handler(self))

    @classmethod
    def _said(cls, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in fields.items() if value is not None or name in cls.nullable}

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        return [(name, value) for name, value in super().__repr_args__() if name in self.model_fields_set]

    def to_body(self) -> dict[str, Any]:
        """The object as the API server takes it, without what was not set."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Told(Written):
    """What the operator tells: fields that are not known here are left out."""

    model_config = ConfigDict(extra="ignore")


class Metadata(Told):
    """What names an object and is told of it; of Kubernetes' own fields, those that are of use here."""

    name: ObjectName | None = None
    generate_name: WrittenName | None = None
    namespace: NamespaceName | None = None
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    uid: str | None = None
    resource_version: str | None = None
    generation: int | None = None
    creation_timestamp: Timestamp | None = None
    deletion_timestamp: Timestamp | None = None

    def to_body(self) -> dict[str, Any]:
        """What a person writes of it: the API server gives the rest."""
        written = {"name", "generate_name", "namespace", "labels", "annotations"}
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True, include=written)


class Resource(Written):
    """A whole object; each kind adds `kind`, `spec` and `status`."""

    api_version: Literal["cairn.dev/v1alpha1"] = "cairn.dev/v1alpha1"
    kind: str
    metadata: Metadata = Metadata()
    spec: Written

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """The object that the API server gave; raises `pydantic.ValidationError` if it is none of this kind."""
        return cls.model_validate(body, extra="ignore")

    def to_body(self) -> dict[str, Any]:
        """The object as somebody applies it: without status and without what the API server gives."""
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "metadata": self.metadata.to_body(),
            "spec": self.spec.to_body(),
        }

    def to_yaml(self) -> str:
        """The same as a file for `kubectl apply --server-side -f`."""
        return to_yaml(self.to_body())


class Condition(Told):
    """One aspect of the state of an object."""

    type: ConditionType
    status: Literal["True", "False", "Unknown"]
    observed_generation: LongCount | None = None
    last_transition_time: Timestamp
    reason: ConditionReason
    message: Annotated[str, Field(max_length=32_768)]


def find_condition(conditions: tuple[Condition, ...], kind: str) -> Condition | None:
    """The condition of that type, if there is one."""
    return next((condition for condition in conditions if condition.type == kind), None)
