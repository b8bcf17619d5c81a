"""What the use cases need from the outside, as protocols: adapters implement them, tests fake them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from cairn import names
from cairn.core.leading import Lease
from cairn.core.spans import Span
from cairn.ports.stores import CheckpointStore as CheckpointStore
from cairn.ports.stores import Page as Page
from cairn.ports.stores import Query as Query
from cairn.ports.stores import Rows as Rows
from cairn.ports.stores import Stats as Stats

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Roll:
    """Which objects of a kind there were, at one version of all that is stored."""

    uids: frozenset[str]
    version: int

    def lacks(self, uid: str, resource_version: str) -> bool:
        """Whether an object that was seen at a version is gone; what was seen later, this cannot tell of."""
        return uid not in self.uids and int(resource_version) <= self.version


class Clock(Protocol):
    """Where time comes from: aware, in UTC, in whole milliseconds (what the API stores)."""

    def __call__(self) -> datetime:
        """The time now."""
        ...


class Cluster(Protocol):
    """The calls Cairn makes to the Kubernetes API. Each raises the errors of `cairn.errors`, and no others."""

    async def get_execution(self, namespace: str, name: str) -> Body:
        """The execution as it is now. Raises Gone."""
        ...

    async def write_status(self, namespace: str, name: str, uid: str, resource_version: str, status: Body) -> str:
        """Replace the status on exactly that version; returns the new version. Raises Conflict, Gone."""
        ...

    async def patch_paused(self, namespace: str, name: str, resource_version: str, spec: Body) -> None:
        """Write the pause in the spec on exactly that version, as the field manager of pauses. Raises Conflict."""
        ...

    async def patch_execution(self, namespace: str, name: str, patch: Body) -> Body:
        """Merge-patch an execution; `patch` names its UID or version. Raises Conflict, Gone, Rejected."""
        ...

    async def find_executions(self, namespace: str = "", **fields: str) -> list[Body]:
        """The executions, of all namespaces if none is named, whose selectable fields are these."""
        ...

    async def delete_execution(self, namespace: str, name: str, uid: str, resource_version: str = "") -> None:
        """Delete exactly that execution, at that version if one is named; the garbage collector takes what it owns."""
        ...

    async def create(self, manifest: Body) -> Body:
        """Create an object. Raises AlreadyExists, Refused, Rejected, Unavailable."""
        ...

    async def get_job(self, namespace: str, name: str) -> Body:
        """A Kubernetes Job as it is now. Raises Gone."""
        ...

    async def patch_job(self, namespace: str, name: str, patch: Body) -> Body:
        """Merge-patch a Kubernetes Job; `patch` names its UID, and its version where it matters. Raises Conflict."""
        ...

    async def list_pods(self, namespace: str, job_name: str) -> list[Body]:
        """The pods of a Kubernetes Job as they are now."""
        ...

    async def get_result(self, namespace: str, name: str) -> Body:
        """A JobResult. Raises Gone."""
        ...

    async def patch_result_status(self, namespace: str, name: str, status: Body) -> None:
        """Add the log tail to a JobResult."""
        ...

    async def list_results(self, namespace: str, execution_uid: str) -> list[Body]:
        """The JobResults of an execution as they are now."""
        ...

    async def get_checkpoint(self, namespace: str, name: str) -> Body:
        """A Checkpoint as it is now, with the state it holds. Raises Gone."""
        ...

    async def list_checkpoints(self, namespace: str) -> list[Body]:
        """The Checkpoints of a namespace as they are now, with the states they hold."""
        ...

    async def find_checkpoints(self, namespace: str, **fields: str) -> list[Body]:
        """The Checkpoints, of all namespaces if none is named, whose selectable fields (`status.phase` …) are these."""
        ...

    async def checkpoint_names(self, namespace: str = "") -> frozenset[tuple[str, str]]:
        """Namespaces and names of all Checkpoints, of whatever shard, in a namespace or in all."""
        ...

    async def write_checkpoint_status(
        self, namespace: str, name: str, uid: str, resource_version: str, status: Body
    ) -> str:
        """Replace a Checkpoint's status on exactly that version; returns the new version. Raises Conflict, Gone."""
        ...

    async def patch_checkpoint(self, namespace: str, name: str, patch: Body, *, status: bool = False) -> Body:
        """Merge-patch a Checkpoint (its status: `status`) on the version named; its metadata. Raises Conflict, Gone."""
        ...

    async def delete_checkpoint(self, namespace: str, name: str, uid: str, resource_version: str) -> None:
        """Delete exactly that Checkpoint, at exactly that version. Raises Conflict, Gone."""
        ...

    async def call_roll(self, resource: str, namespace: str = "") -> Roll:
        """What there is of a watched resource, in a namespace or in all; of jobs and pods, what has not succeeded."""
        ...

    async def get_namespace_uid(self, name: str) -> str:
        """The UID of a namespace. Raises Gone."""
        ...

    async def list_config_maps(self, namespace: str, selector: str) -> list[Body]:
        """The ConfigMaps with those labels."""
        ...

    async def delete_config_map(self, namespace: str, name: str, uid: str) -> None:
        """Delete exactly that ConfigMap. Raises Conflict, Gone."""
        ...

    async def newest_warnings(self, namespace: str) -> Mapping[str, tuple[str, str]]:
        """Reason and message of the newest warning Event about each object of a namespace, by its UID."""
        ...

    def stream_log(self, namespace: str, pod: str, container: str, *, tail_lines: int) -> AsyncIterator[bytes]:
        """The last lines of a container's log, in chunks. Raises Gone, Unavailable, Rejected."""
        ...

    async def post_event(self, event: Mapping[str, Any]) -> None:
        """Write a Kubernetes Event."""
        ...


class Leases(Protocol):
    """The one Lease that replicas of the operator agree by. Each raises the errors of `cairn.errors`, and no others."""

    async def get(self) -> Lease | None:
        """The Lease as it is now; None: there is none."""
        ...

    async def create(self, lease: Lease) -> Lease:
        """Create it; as it is then. Raises AlreadyExists."""
        ...

    async def update(self, lease: Lease) -> Lease:
        """Write it on exactly the version that it names; as it is then. Raises Conflict, Gone."""
        ...


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of objects, and where the next one begins; an empty cursor: there is no more."""

    items: tuple[Body, ...]
    cursor: str = ""


class Desk(Cluster, Protocol):
    """What the ways in call besides, on behalf of people. Each raises the errors of `cairn.errors`, and no others."""

    async def list_executions(
        self, namespace: str = "", *, selector: str = "", limit: int = 250, cursor: str = ""
    ) -> Listed:
        """The executions of a namespace, or of all, with those labels, in pages. Raises Rejected for a bad selector."""
        ...

    async def locate_execution(self, uid: str) -> tuple[str, str] | None:
        """Namespace and name of the execution with that UID."""
        ...

    async def apply(self, body: Body, *, force: bool = False, dry_run: bool = False) -> Body:
        """Server-side apply of an object of Cairn's. Raises Conflict where another manager owns a field, Rejected."""
        ...

    def watch_execution(self, namespace: str, name: str) -> AsyncGenerator[Body, None]:
        """The execution as it is now and whenever it changes, until it is deleted or the API server ends the watch."""
        ...

    async def list_pods_of(self, namespace: str, execution_uid: str, job: str) -> list[Body]:
        """The pods of a job's attempts."""
        ...

    def follow_log(
        self, namespace: str, pod: str, container: str, *, follow: bool, tail_lines: int | None
    ) -> AsyncIterator[bytes]:
        """A container's log in chunks, as it is written if `follow`. Raises Gone, Rejected, Unavailable."""
        ...

    async def list_namespaces(self) -> dict[str, str]:
        """The UIDs of all namespaces by their names."""
        ...

    async def whoami(self) -> str:
        """The name that the API server knows the caller by."""
        ...


# --- Who may do what -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a token belongs to, as the API server says."""

    username: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()  # sorted by key; what authorizers beside RBAC may look at


@dataclass(frozen=True, slots=True)
class Attributes:
    """What somebody wants to do, in the words of RBAC; no namespace: in all of them, no name: with any of them."""

    verb: str
    resource: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    group: str = names.GROUP


class Reviewer(Protocol):
    """Who vouches for tokens and rights. Fails closed: without an answer it raises Refused or Unavailable."""

    async def authenticate(self, token: str) -> Caller | None:
        """Whose token that is; None if nobody vouches for it."""
        ...

    async def allowed(self, caller: Caller, attributes: Attributes) -> bool:
        """Whether the caller may do that."""
        ...

    async def namespaces(self) -> Mapping[str, str]:
        """The UIDs of all namespaces, by name."""
        ...


# --- An installation as a whole --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Held:
    """An object of Cairn's with finalizers, at the version that was read."""

    kind: str  # the plural, as in paths
    namespace: str
    name: str
    uid: str
    version: str
    finalizers: tuple[str, ...]


class Installation(Protocol):
    """What ends an installation, or looks whether it is complete. Each raises the errors of `cairn.errors`."""

    async def stop(self, namespace: str, deployment: str) -> str:
        """Scale a Deployment to nothing; the selector of its pods. Raises Gone."""
        ...

    async def pods(self, namespace: str, selector: str) -> tuple[str, ...]:
        """The names of the pods with those labels that have not ended, in order."""
        ...

    async def held(self, namespace: str) -> list[Held]:
        """The objects with finalizers of the kinds that the operator holds, of a namespace or (empty) of all."""
        ...

    async def keep_finalizers(self, held: Held, finalizers: tuple[str, ...]) -> None:
        """Leave an object just those finalizers, if it is as it was read. Raises Conflict, Gone."""
        ...

    async def served(self) -> frozenset[str]:
        """Which of Cairn's kinds (plurals) the API server serves."""
        ...


class Tracer(Protocol):
    """Takes spans that have ended to wherever traces are kept. Returns at once, whatever becomes of them."""

    def emit(self, spans: Sequence[Span]) -> None:
        """Hand spans on; those that cannot be sent are lost."""
