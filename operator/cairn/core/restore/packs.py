"""What a fork takes over, in objects of its own: the kept results in packs, and the jobs where its spec has none.

Rules:
- A pack is a JobResult of many attempts: one object a result would be a thousand creates before the first launch.
- It is named by its content: created again it is there already, and whatever is read under that name is the same.
- So a fork needs nothing of the checkpoint once it has begun; that may be deleted, and the other execution too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cairn import names
from cairn.core.checkpoint import payload
from cairn.core.checkpoint.canonical import canonical, digest_of, parse
from cairn.core.checkpoint.state import Attempt
from cairn.core.manifests import Identity, Manifest, belonging, owner
from cairn.core.naming import pack_name
from cairn.core.outputs import Outputs
from cairn.core.status import JobState
from cairn.core.times import format_time, parse_time
from cairn.errors import DamagedPayload

CONFIGS = ("jobs", "jobDefaults", "params")  # what of a spec comes from the checkpoint if it names no jobs

PLAIN_LIMIT = 2 * names.PACK_BYTES  # results stay readable, and cost no time; only many jobs are compressed


def results(identity: Identity, attempts: Mapping[str, Iterable[Attempt]], source: str) -> Iterator[Manifest]:
    """The packs that hold these attempts, by job; log tails stay where they are."""
    entries: list[bytes] = []
    size = 0
    for job, tries in attempts.items():
        for attempt in tries:
            entry = canonical(_written(job, attempt))
            if entries and size + len(entry) > names.PACK_BYTES:
                yield _results(identity, entries, source)
                entries, size = [], 0
            entries.append(entry)
            size += len(entry)
    if entries:
        yield _results(identity, entries, source)


def configs(identity: Identity, spec: Mapping[str, Any], source: str) -> Manifest:
    """The object that holds the jobs of a checkpoint's spec, with what belongs to them."""
    held = canonical({"configs": configs_of(spec)})
    return _pack(identity, held, f"the jobs of {source}")


def name_of(pack: Mapping[str, Any]) -> str:
    """The name of a pack."""
    return str(pack["metadata"]["name"])


def _results(identity: Identity, entries: list[bytes], source: str) -> Manifest:
    return _pack(identity, b'{"results":[' + b",".join(entries) + b"]}", f"{len(entries)} results of {source}")


def configs_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What an execution whose own spec has no jobs takes over from that of a checkpoint."""
    return {key: spec[key] for key in CONFIGS if key in spec}


def _pack(identity: Identity, held: bytes, message: str) -> Manifest:
    digest = digest_of(held)
    return {
        "apiVersion": names.API_VERSION, "kind": names.RESULT_KIND,
        "metadata": {
            "name": pack_name(identity.name, identity.uid, digest), "namespace": identity.namespace,
            "labels": belonging(identity),
            "ownerReferences": [owner(identity)],
        },
        "spec": {
            "execution": identity.name, "executionUid": identity.uid, "reason": "Restored", "message": message,
            "pack": payload.framed(held, PLAIN_LIMIT), "digest": digest,
        },
    }  # fmt: skip


def _written(job: str, attempt: Attempt) -> dict[str, Any]:
    return {
        "job": job, "attempt": attempt.number, "state": attempt.state.value, "reason": attempt.reason,
        "message": attempt.message, "exitCode": attempt.exit_code,
        "startedAt": format_time(attempt.started_at) if attempt.started_at else None,
        "finishedAt": format_time(attempt.finished_at) if attempt.finished_at else None,
    } | ({"outputs": attempt.outputs.text} if attempt.outputs is not None else {})  # fmt: skip


# --- Read back -------------------------------------------------------------------------------------------------------


def is_pack(body: Mapping[str, Any]) -> bool:
    """Whether a JobResult is one of many attempts, or of the jobs."""
    return "pack" in (body.get("spec") or {})


def read_results(body: Mapping[str, Any]) -> list[tuple[str, Attempt]]:
    """The attempts of a pack, by job; none of one that holds something else. Raises Unreadable."""
    return [(entry["job"], _read(entry)) for entry in _held(body).get("results", ())]


def read_configs(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The jobs that an object holds, with what belongs to them. Raises Unreadable."""
    found: dict[str, Any] | None = _held(body).get("configs")
    return found


def _held(body: Mapping[str, Any]) -> dict[str, Any]:
    spec = body["spec"]
    data = payload.unframed(spec["pack"])
    if digest_of(data) != spec.get("digest"):
        raise DamagedPayload("pack: not what its digest says")
    held: dict[str, Any] = parse(data, "pack")
    return held


def _read(entry: Mapping[str, Any]) -> Attempt:
    return Attempt(
        number=entry["attempt"], state=JobState(entry["state"]), reason=entry["reason"], message=entry["message"],
        started_at=parse_time(entry["startedAt"]), finished_at=parse_time(entry["finishedAt"]),
        exit_code=entry["exitCode"], outputs=Outputs(entry["outputs"]) if "outputs" in entry else None,
    )  # fmt: skip
