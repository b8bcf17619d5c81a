"""The demo, step by step."""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cluster import Cluster, providers
from demo import checkpoints, checks, restore
from demo.errors import DemoError
from demo.execution import Execution
from demo.installation import Installation, load_images, with_helm
from demo.screens import Screen, Show
from demo.shell import Shell
from demo.watch import Watch

CLUSTER = "demo"
NAME = "model-selection"
SAMPLE = f"manifests/samples/{NAME}.yaml"
RETRIED, SKIPPED, FINAL = "fetch", "shrink", "report"
SELECTOR = f"-l cairn.dev/execution={NAME}"

_HOLD_SECONDS = 8
_PATIENCE = 600


@dataclass(frozen=True)
class Stage:
    """What every step needs."""

    screen: Screen
    shell: Shell
    cairn: Installation


def run(screen: Screen) -> None:
    """The whole demo; raises DemoError where something is not as it should be."""
    stage = set_up(screen)
    try:
        _play(stage)
    except DemoError as error:
        raise DemoError(f"{error}\nThe end of the operators' logs:\n{stage.cairn.log()}") from None


def set_up(screen: Screen) -> Stage:
    """A cluster, and a shell for it."""
    cluster = _cluster(screen)
    shell = Shell(cluster.kubeconfig, (cluster.bin, with_helm(cluster), Path(sys.executable).parent), screen)
    return Stage(screen, shell, Installation(screen, shell, cluster))


def _play(stage: Stage) -> None:
    screen, shell, cairn = stage.screen, stage.shell, stage.cairn
    _install(stage)
    _apply(stage)
    with Watch(shell, NAME) as watch:
        patched, at_patch = _pause(stage, watch)
        drained = datetime.now(UTC)
        _hold(stage, watch, at_patch)
        checkpoints.of_the_pause(screen, shell, NAME)
        checkpoints.without_database(screen, cairn)
        resumed = _resume(stage, watch)
    _verify(stage, checks.Hold(patched, drained, resumed))
    checkpoints.caught_up(screen, shell, cairn)
    checkpoints.read_back(screen, shell, cairn)
    _results(stage)
    restore.break_plan_fork_finish(screen, shell)
    _next(stage)


def _cluster(screen: Screen) -> Cluster:
    screen.heading("A Kubernetes cluster with a real node")
    screen.say("The first time, Kubernetes is built from source: about ten minutes. Later it takes seconds …")
    began = time.monotonic()
    cluster = providers.start("real", CLUSTER)
    screen.say(f"The cluster runs ({cluster.provider}, {time.monotonic() - began:.0f} s).")
    began = time.monotonic()
    screen.say("The images of Cairn, of its database, and of the jobs: a few minutes the first time …")
    load_images(cluster)
    screen.say(f"Its node has them ({time.monotonic() - began:.0f} s).")
    return cluster


def _install(stage: Stage) -> None:
    stage.screen.heading("Cairn, installed with Helm")
    stage.cairn.install()
    stage.cairn.test()
    stage.screen.say("The REST API takes a user's token:")
    if not stage.shell.read("kubectl get serviceaccount jane --ignore-not-found"):
        stage.shell.run("kubectl create serviceaccount jane")
        rights = "--clusterrole=cluster-admin --serviceaccount=default:jane"
        stage.shell.run(f"kubectl create clusterrolebinding jane {rights}")
    stage.shell.export("CAIRN_API_URL", f"echo {stage.cairn.forward()}")
    stage.shell.export("CAIRN_API_TOKEN", "kubectl create token jane --duration=8h")


def _apply(stage: Stage) -> None:
    stage.screen.heading("A DAG of real work")
    if stage.shell.read(f"kubectl get dagx {NAME} --ignore-not-found"):
        stage.shell.run(f"kubectl delete dagx {NAME} --cascade=foreground --timeout=120s")
    restore.clear(stage.shell)
    if stage.shell.read("kubectl get ckpt -o name"):
        stage.shell.run("kubectl delete ckpt --all --timeout=60s")
    stage.shell.run(f"kubectl cairn graph -f {SAMPLE}")
    stage.shell.run(f"kubectl cairn run {SAMPLE} --no-follow")


# --- Pause, hold, resume ---------------------------------------------------------------------------------------------


def _pause(stage: Stage, watch: Watch) -> tuple[datetime, Execution]:
    """Let it run to about the half, pause it there, wait until it has drained; when and how the patch found it."""
    with stage.screen.following() as show:
        _follow(stage, watch, show, _half_way)
        stage.screen.heading("Pause, half way")
        stage.shell.run(f'kubectl cairn pause {NAME} --reason "a look at it"')
        patched, at_patch = datetime.now(UTC), _read(stage)
        _wait_for(stage, watch, show, "Paused")
    return patched, at_patch


def _hold(stage: Stage, watch: Watch, at_patch: Execution) -> None:
    """Look on for a while: nothing starts."""
    stage.shell.run(f"kubectl cairn get {NAME}")
    drained = _read(stage)
    pods = f"kubectl get pods {SELECTOR} --field-selector=status.phase!=Succeeded,status.phase!=Failed"
    stage.shell.run(pods)
    stage.screen.say(f"Nothing runs. For {_HOLD_SECONDS} seconds nothing may start either …")
    end = time.monotonic() + _HOLD_SECONDS
    with stage.screen.following(keep=False) as show:
        _follow(stage, watch, show, lambda _: time.monotonic() >= end, "held")
    stage.shell.run(f"kubectl get dagx {NAME}")
    stage.shell.run(pods)
    _demand(checks.while_held(at_patch, drained, _read(stage)))


def _resume(stage: Stage, watch: Watch) -> datetime:
    """Resume by patching back, and see it through; when the patch was sent."""
    stage.screen.heading("Resume")
    stage.screen.say("`kubectl cairn resume` would do the same; every pause and every resume is a patch.")
    with stage.screen.following() as show:
        resumed = datetime.now(UTC)
        stage.shell.run(f'kubectl patch dagx {NAME} --type merge -p \'{{"spec":{{"paused":false}}}}\'')
        _wait_for(stage, watch, show, "Finished")
    return resumed


def _half_way(execution: Execution) -> bool:
    """Some jobs have ended, some run and some wait; with two that run there is more to see of the drain."""
    if execution.finished:
        raise DemoError(f"The execution was {execution.phase} before it could be paused: {execution.message}")
    share = execution.ended / len(execution.jobs)
    return (share >= 1 / 3 and len(execution.running) > 1) or (share >= 1 / 2 and len(execution.running) == 1)


def _wait_for(stage: Stage, watch: Watch, show: Show, condition: str) -> None:
    """`kubectl wait`, with the execution shown meanwhile."""
    command = f"kubectl wait --for=condition={condition} dagx/{NAME} --timeout={_PATIENCE}s"
    stage.screen.command(command)
    with stage.shell.start(f"exec {command}") as process:
        try:
            _follow(stage, watch, show, lambda _: process.poll() is not None)
        except BaseException:
            process.kill()
            raise
        output, _ = process.communicate()
    _settle(stage, show)
    stage.screen.output(output)
    if process.returncode:
        raise DemoError(f"Exit code {process.returncode} of: {command}")


def _settle(stage: Stage, show: Show) -> None:
    """What is left standing is what `kubectl wait` has seen, not what the watch has brought by then."""
    show(_read(stage), "")


def _follow(stage: Stage, watch: Watch, show: Show, done: Callable[[Execution], bool], caption: str = "") -> None:
    """Show the execution as it changes, until `done`."""
    deadline = time.monotonic() + _PATIENCE
    execution = _read(stage)
    while not done(execution):
        show(execution, caption)
        execution = execution.or_newer(watch.next(timeout=0.25))
        if time.monotonic() > deadline:
            waiting = [f"{job.id}: {job.state} {job.reason} {job.message}" for job in execution.jobs if not job.ended]
            raise DemoError("\n".join([f"Not done after {_PATIENCE} s; {execution.phase}, with", *waiting]))


# --- The end ---------------------------------------------------------------------------------------------------------


def _verify(stage: Stage, hold: checks.Hold) -> None:
    execution = _read(stage)
    pods = _items(stage, "pods")
    found = [each["spec"] for each in _items(stage, "jobresults")]
    _demand(
        itertools.chain(
            checks.in_the_end(execution, hold, retried=RETRIED, skipped=SKIPPED),
            checks.containers(pods, hold),
            checks.results(found, retried=RETRIED, final=FINAL),
        )
    )
    paused = (hold.resumed - hold.patched).total_seconds()
    stage.screen.say(
        f"Checked: {execution.phase}; {RETRIED} took two attempts; {SKIPPED} was skipped; and between the two patches,"
        f" {paused:.0f} s apart, no launch was recorded, and no container started once it was Paused."
    )


def _results(stage: Stage) -> None:
    screen, shell = stage.screen, stage.shell
    screen.heading("What it has left")
    shell.run("kubectl cairn list")
    screen.say("The outputs of its jobs (`kubectl cairn outputs`), long ones shortened:")
    found = (each["spec"] for each in _items(stage, "jobresults"))
    for each in sorted(found, key=lambda spec: str(spec["finishedAt"])):
        if "outputs" in each:
            screen.output(f"  {each['job']:<12} {shortened(json.loads(each['outputs']))}")
    screen.say("The model that was chosen, as the last job reports it:")
    shell.run(f"kubectl cairn logs {NAME} {FINAL}")
    screen.say("Why one was skipped, and how the one that was retried fared:")
    shell.run(f"kubectl cairn why {NAME} {SKIPPED}")
    shell.run(f"kubectl cairn why {NAME} {RETRIED}")
    screen.say("Both attempts of the job that was retried:")
    columns = "ATTEMPT:.spec.attempt,EXIT:.spec.exitCode,REASON:.spec.reason,MESSAGE:.spec.message"
    shell.run(f"kubectl get jobresults {SELECTOR},cairn.dev/job={RETRIED} -o custom-columns={columns}")
    screen.say("And what the operator has told meanwhile:")
    shell.run(f"kubectl describe dagx {NAME} | sed -n '/^Events:/,$p'")


def _next(stage: Stage) -> None:
    stage.screen.heading("What to try next")
    stage.screen.say("The cluster keeps running. In a shell in this directory:")
    stage.screen.output(f"""\
  export KUBECONFIG=$PWD/build/cluster/{CLUSTER}/kubeconfig PATH=$PWD/build/bin:$PWD/.venv/bin:$PATH

  kubectl cairn watch {NAME}                           # live; with --help each verb shows an example
  kubectl describe dagx {NAME}                         # everything about the run
  kubectl explain dagx.spec.jobs                                # the reference manual
  kubectl apply --server-side -f {SAMPLE}    # applied again: nothing runs again
  kubectl apply --server-side -f manifests/samples/02-fan-out-join.yaml
  kubectl get dagx --watch
  kubectl get ckpt                                              # checkpoints; delete one, and its row goes too
  kubectl get dagx digits-mended -o yaml                        # status.restoredFrom: where it comes from
  kubectl get jobresults -l cairn.dev/execution=fan-out-join,cairn.dev/job=join -o jsonpath='{{.items[*].spec.outputs}}'

  make demo         # once more from the start
  make demo-down    # remove everything""")


def shortened(value: Any) -> str:
    """JSON for a person: long lists and long strings cut, and said so."""
    return json.dumps(_shortened(value), ensure_ascii=False)


def _shortened(value: Any) -> Any:
    match value:
        case dict():
            return {key: _shortened(item) for key, item in value.items()}
        case list() if len(value) > 6:
            return [*value[:3], f"… {len(value)} values"]
        case str() if len(value) > 48:
            return f"{value[:12]}…"
        case _:
            return value


def _read(stage: Stage) -> Execution:
    return Execution.from_object(json.loads(stage.shell.read(f"kubectl get dagx {NAME} -o json")))


def _items(stage: Stage, resource: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(stage.shell.read(f"kubectl get {resource} {SELECTOR} -o json"))["items"]
    return items


def _demand(broken: Iterable[str]) -> None:
    if found := list(broken):
        raise DemoError("Not as it should be:\n" + "\n".join(f"- {each}" for each in found))
