"""What the use cases need from the outside, as protocols: adapters implement them, tests fake them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, Protocol

Body = dict[str, Any]


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

    async def delete_execution(self, namespace: str, name: str, uid: str) -> None:
        """Delete exactly that execution, and through the garbage collector what it owns."""
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

    async def newest_warning(self, namespace: str, uid: str) -> tuple[str, str]:
        """Reason and message of the newest warning Event about the object with that UID; empty if there is none."""
        ...

    def stream_log(self, namespace: str, pod: str, container: str, *, tail_lines: int) -> AsyncIterator[bytes]:
        """The last lines of a container's log, in chunks. Raises Gone, Unavailable, Rejected."""
        ...

    async def post_event(self, event: Mapping[str, Any]) -> None:
        """Write a Kubernetes Event."""
        ...
