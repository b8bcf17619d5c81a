"""What a checkpoint holds: a consistent cut of one execution, as frozen values.

A cut is the execution's status at one `resourceVersion`, the spec of that version, and every attempt that the status
speaks of with its outputs, checked by digest. From it the execution can be restored exactly (invariant 5), so the
job records are kept as they are, whatever they hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cairn.core.checkpoint.trigger import Trigger as Trigger
from cairn.core.outputs import Outputs
from cairn.core.status import JobState, Status


@dataclass(frozen=True, slots=True)
class Parent:
    """The checkpoint before this one; with the digests it makes a chain that can be verified."""

    id: str
    digest: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a job, as far as it is known. `state` is Running while it was under way when the cut was made."""

    number: int
    state: JobState
    reason: str = ""
    message: str = ""  # the whole error, longer than what the job's record keeps of it
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    uid: str = ""  # of its Kubernetes Job, where the attempt still ran
    outputs: Outputs | None = None  # None: it handed out nothing, which differs from `null`
    log_tail: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Which execution it was, and at which version."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str


@dataclass(frozen=True, slots=True)
class Label:
    """What a checkpoint is called, why and by whom it was taken."""

    id: str  # checkpoint_<unix ms>_<suffix>
    name: str
    trigger: Trigger
    created_at: datetime
    created_by: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    parent: Parent | None = None


@dataclass(frozen=True, slots=True)
class CheckpointState:
    """The whole of what is saved."""

    label: Label
    origin: Origin
    spec: Mapping[str, Any]  # as the user wrote it: jobs, params and pause included
    status: Status  # without conditions and the bookkeeping of checkpoints: neither is state of the run
    attempts: Mapping[str, tuple[Attempt, ...]] = field(default_factory=dict)  # by job id; no key: never tried


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class Serialized:
    """A state written down.

    `document` is canonical JSON that names outputs and log tails by their SHA-256 only; `texts` are those, by the
    same. So a digest over the document covers everything, and a text that many checkpoints share is stored once.
    """

    document: bytes
    texts: Mapping[str, str]
    digest: str  # SHA-256 in hexadecimal over the parent's digest and the document
    state_digest: str  # over what *unchanged* means: not ids, times or log tails

    @property
    def size(self) -> int:
        """Bytes of the document and the texts, before compression."""
        return len(self.document) + sum(map(_size, self.texts.values()))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a list shows of a checkpoint, wherever it is stored."""

    id: str
    namespace: str
    namespace_uid: str  # the tenant
    execution: str
    execution_uid: str
    object_name: str
    object_uid: str
    name: str
    trigger: Trigger
    created_at: datetime
    created_by: str | None
    metadata: Mapping[str, str]
    job_count: int
    execution_status: str  # in the words of the serialized state: running, completed …
    size_bytes: int
    digest: str
    state_digest: str
    parent: Parent | None = None
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Grave:
    """What is left of a checkpoint that was deleted, so that a chain tells deleted from missing."""

    id: str
    namespace_uid: str
    execution_uid: str
    digest: str
    parent: Parent | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A checkpoint with what it holds."""

    checkpoint: Checkpoint
    content: Serialized

    @property
    def parent_digest(self) -> str | None:
        """What the content's digest was made over besides its document."""
        return self.checkpoint.parent.digest if self.checkpoint.parent else None
