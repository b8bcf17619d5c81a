"""The demo's part on restores: a pipeline breaks near its end; plan, fork, finish."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from demo.errors import DemoError
from demo.screens import Screen
from demo.shell import Shell

BROKEN, MENDED = "digits", "digits-mended"
_FILES = {BROKEN: "manifests/samples/12-restore.yaml", MENDED: "manifests/samples/13-restore-fork.yaml"}


def clear(shell: Shell) -> None:
    """Remove what an earlier run of the demo has left."""
    for name in (BROKEN, MENDED):
        if shell.read(f"kubectl get dagx {name} --ignore-not-found"):
            shell.run(f"kubectl delete dagx {name} --cascade=foreground --timeout=120s")


def break_plan_fork_finish(screen: Screen, shell: Shell) -> None:
    """The whole of it; raises DemoError where something is not as it should be."""
    screen.heading("A pipeline breaks near its end")
    shell.run(f"kubectl cairn run {_FILES[BROKEN]}", code=1)
    shell.run(f"kubectl cairn why {BROKEN} publish")
    screen.say("The long part is done and saved. Its only mistake is mended in the next file, which starts from there:")
    shell.run(f"diff {_FILES[BROKEN]} {_FILES[MENDED]} | grep 'uracy\"\\|latestOf\\|dryRun: '")
    digest = _plan(screen, shell)
    _fork(screen, shell, digest)
    screen.say("Both know of each other, the chain of checkpoints leads from one to the other, and it holds:")
    shell.run(f"kubectl get dagx {BROKEN} -o jsonpath='{{.status.forks[*].name}}{{\"\\n\"}}'")
    shell.run(f"kubectl cairn verify {MENDED}")


def _plan(screen: Screen, shell: Shell) -> str:
    screen.heading("Plan")
    command = f"kubectl cairn plan -f {_FILES[MENDED]}"
    shell.run(command)
    return str(json.loads(shell.read(f"{command} -o json"))["plan"]["digest"])


def _fork(screen: Screen, shell: Shell, digest: str) -> None:
    screen.heading("Fork, and finish")
    shell.run(f"kubectl cairn fork -f {_FILES[MENDED]} --plan-digest {digest} --follow")
    screen.say("What had run was kept; only these have run:")
    shell.run(f"kubectl get pods -l cairn.dev/execution={MENDED}")
    shell.run(f"kubectl cairn logs {MENDED} publish")
    original, fork = (json.loads(shell.read(f"kubectl get dagx {name} -o json")) for name in (BROKEN, MENDED))
    pods = json.loads(shell.read(f"kubectl get pods -l cairn.dev/execution={MENDED} -o json"))["items"]
    ran = {pod["metadata"]["labels"]["cairn.dev/job"] for pod in pods}
    if broken := list(_wrong(original, fork, ran)):
        raise DemoError("Not as it should be:\n" + "\n".join(f"- {each}" for each in broken))
    screen.say("Checked: load and train ran once, in the first execution; evaluate and publish ran in the second.")


def _wrong(original: Mapping[str, Any], fork: Mapping[str, Any], ran: set[str]) -> Iterator[str]:
    """What must hold for the demo to have shown what it says."""
    if original["status"]["phase"] != "Failed" or fork["status"]["phase"] != "Succeeded":
        yield f"the first is {original['status']['phase']}, the second {fork['status']['phase']}"
    if ran != {"evaluate", "publish"}:
        yield f"in the fork ran {sorted(ran)}"
    results = [{r["id"]: r.get("result") for r in body["status"]["jobs"]} for body in (original, fork)]
    if any(results[0][job] != results[1][job] for job in ("load", "train")):
        yield "what was kept is not what had been made"
