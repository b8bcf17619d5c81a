"""Names of the Kubernetes objects of an attempt: readable, at most 63 characters, and occupied for ever.

A name is a slug for people plus a hash over (execution UID, job id, attempt) for machines: `a_b` and `a-b`, `Train` and
`train`, or a deleted and recreated execution must never meet under one name, since the occupied name is what keeps an
attempt from running twice.
"""

from __future__ import annotations

import hashlib
import re

_HASH_LENGTH = 10
_EXECUTION_SLUG = 20
_JOB_SLUG = 24


def slug(text: str, limit: int) -> str:
    """`text` as a DNS label of at most `limit` characters; what does not fit is cut, never mapped back."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:limit].strip("-") or "x"


def _hash(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:_HASH_LENGTH]


def attempt_name(execution: str, uid: str, job: str, attempt: int) -> str:
    """The name of the Kubernetes Job, and of the JobResult, of one attempt."""
    return f"{slug(execution, _EXECUTION_SLUG)}-{slug(job, _JOB_SLUG)}-{attempt}-{_hash(uid, job, attempt)}"


def inputs_name(execution: str, uid: str, digest: str, part: int) -> str:
    """The name of one part of the inputs object for a distinct set of upstream results."""
    return f"{slug(execution, _EXECUTION_SLUG)}-inputs-{_hash(uid, digest, part)}"
