"""Names: of Kubernetes objects, readable, at most 63 characters and occupied for ever; and what checkpoints are called.

A name is a slug for people plus a hash over (execution UID, job id, attempt) for machines: `a_b` and `a-b`, `Train` and
`train`, or a deleted and recreated execution must never meet under one name, since the occupied name is what keeps an
attempt from running twice. For an automatic checkpoint it is (execution UID, trigger, cause): whoever decides the same
again finds its name occupied. Its label is for people only and need not be unique.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import assert_never

from cairn.core.checkpoint.settings import Trigger
from cairn.core.times import parse_time

LABEL_LIMIT = 253
_NAMES_AT_HAND = 8192  # each look at an execution asks for that of every attempt that runs
_HASH_LENGTH = 10
_EXECUTION_SLUG = 20
_JOB_SLUG = 24
_FORK_SLUG = 40
_TRIGGER_SLUG = 16
_SUFFIX_LENGTH = 8
_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAMED = 3  # causes that a label names all; of more, it names all but one of these


def slug(text: str, limit: int) -> str:
    """`text` as a DNS label of at most `limit` characters; what does not fit is cut, never mapped back."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:limit].strip("-") or "x"


def _hash(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:_HASH_LENGTH]


@lru_cache(maxsize=_NAMES_AT_HAND)
def attempt_name(execution: str, uid: str, job: str, attempt: int) -> str:
    """The name of the Kubernetes Job, and of the JobResult, of one attempt."""
    return f"{slug(execution, _EXECUTION_SLUG)}-{slug(job, _JOB_SLUG)}-{attempt}-{_hash(uid, job, attempt)}"


def inputs_name(execution: str, uid: str, digest: str, part: int) -> str:
    """The name of one part of the inputs object for a distinct set of upstream results."""
    return f"{slug(execution, _EXECUTION_SLUG)}-inputs-{_hash(uid, digest, part)}"


def pack_name(execution: str, uid: str, digest: str) -> str:
    """The name of an object that holds what a fork has taken over, by the digest of what is in it."""
    return f"{slug(execution, _EXECUTION_SLUG)}-restored-{_hash(uid, digest)}"


def run_name(key: str) -> str:
    """The name of an execution that nobody has named; the same key makes the same."""
    return f"run-{_hash(key)}"


def fork_name(execution: str, key: str) -> str:
    """The name of a fork of an execution that nobody has named; the same key makes the same."""
    return f"{slug(execution, _FORK_SLUG)}-fork-{_hash(key)}"


# --- Checkpoints -----------------------------------------------------------------------------------------------------


def checkpoint_name(execution: str, uid: str, trigger: Trigger, cause: str) -> str:
    """The name of the Checkpoint object that the operator takes for this cause."""
    return f"{slug(execution, _EXECUTION_SLUG)}-{slug(trigger, _TRIGGER_SLUG)}-{_hash(uid, trigger, cause)}"


def checkpoint_id(at: datetime, object_uid: str) -> str:
    """The id of the checkpoint of that moment in that object; ids sort by time as strings (until the year 2286)."""
    millis = (at - _EPOCH) // timedelta(milliseconds=1)
    number, suffix = int.from_bytes(hashlib.sha256(object_uid.encode()).digest()), ""
    for _ in range(_SUFFIX_LENGTH):
        number, digit = divmod(number, len(_LETTERS))
        suffix += _LETTERS[digit]
    return f"checkpoint_{millis:013}_{suffix}"


def telling_name(trigger: Trigger, causes: Sequence[str], more: int = 0) -> str:
    """What an automatic checkpoint is called; `more` causes are known besides those given.

    Causes are ids of jobs, numbers of levels, a time, or, for the manual one that a pause takes, the pause's reason.
    """
    match trigger:
        case Trigger.JOB_COMPLETED:
            label = f"Auto checkpoint after {_listed('job', causes, more)}"
        case Trigger.LEVEL_COMPLETED:
            label = f"Auto checkpoint after {_listed('level', causes, more)}"
        case Trigger.BEFORE_CRITICAL:
            label = f"Auto checkpoint before critical {_listed('job', causes, more)}"
        case Trigger.TIME_BASED:
            at = parse_time(causes[0]) if causes else None
            label = f"Auto checkpoint at {at.astimezone(UTC):%H:%M}" if at else "Auto checkpoint"
        case Trigger.MANUAL:
            label = " ".join(": ".join(["Checkpoint of the pause", *filter(None, causes)]).split())
        case _:
            assert_never(trigger)
    return label if len(label) <= LABEL_LIMIT else f"{label[: LABEL_LIMIT - 1]}…"


def manual_name(at: datetime) -> str:
    """What a checkpoint is called that somebody created without a label."""
    return f"Manual checkpoint at {at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _listed(noun: str, causes: Sequence[str], more: int) -> str:
    """`job a`, `jobs a, b` or `jobs a, b and 3 more`."""
    total = len(causes) + more
    shown = causes if total <= _NAMED else causes[: _NAMED - 1]
    rest = f" and {total - len(shown)} more" if total > len(shown) else ""
    return f"{noun}{'' if total == 1 else 's'} {', '.join(shown)}{rest}"
