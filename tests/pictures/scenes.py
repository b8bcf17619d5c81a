"""What the pictures show, in the order in which it happens: one command for each verb, and what comes before it."""

from __future__ import annotations

from dataclasses import dataclass

FILE = "manifests/samples/14-nightly.yaml"


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture."""

    verb: str
    command: str  # as a person types it; CHECKPOINT stands for the name of the oldest one
    before: tuple[str, ...] = ()  # typed before, and not shown
    looks: float | None = None  # seconds until the person has seen enough of it (Ctrl-C); None: it ends by itself
    code: int = 0  # exit code


def _cairn(words: str) -> str:
    return f"kubectl cairn {words}"


def _until(condition: str, name: str = "nightly") -> str:
    return f"kubectl wait --for=condition={condition} dagx/{name} --timeout=120s"


SCENES = (
    Scene("migrate", "cairn migrate"),
    Scene("operator", "env DATABASE_URL= CAIRN_LOG_FORMAT=text cairn operator --namespace elsewhere", looks=2),
    Scene("api", "env CAIRN_LOG_FORMAT=text CAIRN_API_PORT=18443 cairn api", looks=1),
    Scene("version", _cairn("version")),
    Scene("lint", _cairn(f"lint {FILE}")),
    Scene("run", _cairn(f"run {FILE}"), looks=4),
    Scene("watch", _cairn("watch nightly"), looks=2),
    Scene("why", _cairn("why nightly pick")),
    Scene("pause", _cairn('pause nightly --reason "node upgrade" --until 2h')),
    Scene("list", _cairn("list")),
    Scene("get", _cairn("get nightly"), (_until("Paused"),)),
    Scene("graph", _cairn("graph nightly")),
    Scene("checkpoint", _cairn('checkpoint nightly --name "Before the upgrade" --pin')),
    Scene("checkpoints", _cairn("checkpoints nightly")),
    Scene("hold", _cairn("hold nightly publish")),
    Scene("resume", _cairn("resume nightly")),
    Scene("outputs", _cairn("outputs nightly"), (
        "kubectl wait --for=jsonpath='{.status.counts.completed}'=6 dagx/nightly --timeout=60s",
    )),
    Scene("logs", _cairn("logs nightly train-medium")),
    Scene("stats", _cairn("stats nightly")),
    Scene("diff", _cairn("diff CHECKPOINT --now nightly"), code=1),
    Scene("complete", _cairn("complete nightly publish --outputs '{\"url\": \"models/7\"}'"
                             ' --reason "published by hand"')),
    Scene("verify", _cairn("verify nightly"), (_until("Finished"),)),
    Scene("retry", _cairn('retry nightly publish --reason "send it once more"')),
    Scene("plan", _cairn("plan nightly CHECKPOINT --rerun train-small,publish"), (
        "kubectl cairn hold nightly publish --release", _until("Finished"),
    )),
    Scene("rewind", _cairn("rewind nightly CHECKPOINT --rerun publish --yes")),
    Scene("cancel", _cairn('cancel nightly --reason "the wrong data" --yes')),
    Scene("fork", _cairn("fork --latest-of nightly --name nightly-again --rerun publish"), (_until("Finished"),)),
    Scene("skip", _cairn('skip nightly-again publish --reason "not tonight"'), ("kubectl cairn pause nightly-again",)),
    Scene("extend", _cairn("extend nightly-again fetch --limit 2")),
    Scene("export", _cairn("export CHECKPOINT --output build/checkpoint.yaml")),
    Scene("import", _cairn("import build/checkpoint.yaml --namespace archive"), ("kubectl create namespace archive",)),
)  # fmt: skip
