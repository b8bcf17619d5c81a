"""What plan, fork and rewind share: which checkpoint, on what terms, and the plan as people and programs read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from cairn import names
from cairn.app.control.restores import Planned
from cairn.cli.files import read_execution
from cairn.cli.render.plans import plan_table
from cairn.cli.session import Session
from cairn.cli.session import show as written
from cairn.core.checkpoint.canonical import canonical, digest_of
from cairn.core.checkpoint.changes import readable
from cairn.core.refs import checkpoint_source
from cairn.core.restore.progress import origin_to_wire, plan_to_wire
from cairn.core.wire import without_empty
from cairn.ports import Body

RerunOption = Annotated[
    list[str] | None, typer.Option("--rerun", metavar="JOB", help="Run it again, and what depends on it; repeatable.")
]
ConfirmOption = Annotated[
    list[str] | None, typer.Option("--confirm", metavar="JOB", help="Its replay is Confirm: agreed; repeatable.")
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Keep what does not name params that have changed; use a damaged copy.")
]
FileOption = Annotated[
    str, typer.Option("--filename", "-f", metavar="FILE", help="The execution as it is to run, edited; - for stdin.")
]
LatestOption = Annotated[
    str, typer.Option("--latest-of", metavar="EXECUTION", help="From the newest checkpoint of that execution.")
]

_SOURCE = ("checkpointName", "checkpointId", "latestOf", "namespace")
_OF_ANOTHER_TIME = ("dryRun", "planDigest", "requestId")
_KINDS = ("ckpt", "checkpoint", names.CHECKPOINTS, f"{names.CHECKPOINTS}.{names.GROUP}")
_SHOWN_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a restore is asked for."""

    rerun: Sequence[str] | None = None
    confirm: Sequence[str] | None = None
    force: bool = False
    plan_digest: str = ""

    def to_wire(self) -> dict[str, Any]:
        """As `restoreFrom` has them; lists may also be given with commas, which no id has."""
        return without_empty(
            {"rerun": _ids(self.rerun), "confirm": _ids(self.confirm), "planDigest": self.plan_digest}
        ) | ({"force": True} if self.force else {})  # fmt: skip


def _ids(given: Sequence[str] | None) -> list[str]:
    return list(dict.fromkeys(id for words in given or () for id in words.split(",") if id))


def source(checkpoint: str | None, latest_of: str = "") -> dict[str, str]:
    """Which checkpoint is meant, as `restoreFrom` has it; empty if none is named. Raises InvalidSpec, typer's error."""
    if checkpoint and latest_of:
        raise typer.BadParameter("name a checkpoint, or an execution for its newest one (--latest-of)")
    if latest_of:
        where, slash, name = latest_of.rpartition("/")
        return {"latestOf": name} | ({"namespace": where} if slash else {})
    kind, slash, rest = (checkpoint or "").partition("/")
    return checkpoint_source(rest if slash and kind in _KINDS else checkpoint, "CHECKPOINT") if checkpoint else {}


async def fork_of(
    session: Session, origin: Mapping[str, str], terms: Terms, file: str, name: str = "", request_id: str = ""
) -> tuple[Body, Planned]:
    """A fork as it is to be created, and what it would do. Raises as `RestoreControl.plan_fork`, and InvalidSpec.

    Its name: the one given, or that in the file, or one made from that of the checkpoint's execution.
    """
    given = read_execution(file) if file else {"metadata": {}, "spec": {}}
    meta, spec = dict(given["metadata"]), given["spec"]
    meta.setdefault("namespace", session.namespace)
    asks = {key: value for key, value in (spec.get("restoreFrom") or {}).items() if key not in _OF_ANOTHER_TIME}
    if origin:
        asks = {key: value for key, value in asks.items() if key not in _SOURCE} | dict(origin)
    if not any(key in asks for key in _SOURCE):
        raise typer.BadParameter("name a checkpoint, an execution (--latest-of), or a file that does (-f)")
    asks |= terms.to_wire()
    spec = {**spec, "restoreFrom": asks} if file else await session.restores.fork_spec(meta["namespace"], asks)
    body: Body = {"metadata": {"name": "fork"} | meta, "spec": spec}
    planned = await session.restores.plan_fork(body)
    if prefix := meta.pop("generateName", ""):
        meta.pop("name", None)
    id = digest_of(request_id.encode()) if request_id else session.new_id()
    made = f"{prefix or planned.found.origin.execution + '-'}{id[:_SHOWN_DIGITS]}"
    meta["name"] = name or meta.get("name") or made
    if request_id:
        meta["annotations"] = (meta.get("annotations") or {}) | {names.ANNOTATION_REQUEST: digest_of(canonical(spec))}
    return body | {"metadata": meta}, planned


# --- The plan, shown -------------------------------------------------------------------------------------------------


def to_wire(planned: Planned, refused: bool) -> dict[str, Any]:
    """A plan for programs: `mode`, `from`, `refused`, and `plan` as in `status.restore.plan`."""
    return {
        "mode": planned.mode.value, "from": origin_to_wire(planned.found.origin), "refused": refused,
        "plan": plan_to_wire(planned.plan),
    }  # fmt: skip


def show(console: Console, planned: Planned) -> None:
    """A plan for people."""
    origin = planned.found.origin
    named = f"{origin.name} ({origin.id})" if origin.name else origin.id
    _line(console, f"{planned.mode.value} from checkpoint {named} of {origin.namespace}/{origin.execution}")
    written(console, plan_table(planned.plan))
    if planned.found.warning:
        _line(console, planned.found.warning)


def _line(console: Console, text: str) -> None:
    console.print(Text(readable(text)), soft_wrap=True)
