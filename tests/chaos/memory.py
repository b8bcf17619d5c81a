"""How much memory an operator needs that knows 10,000 objects, and what becomes of one that is not given it.

The objects are copies of a real execution, its Kubernetes Jobs, pods and checkpoint, made while nothing else runs that
would touch them. The operator is in a control group with a limit of its own, whose kernel kills it as in a container.
"""

from __future__ import annotations

import copy
import re
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from chaos.api import Api
from chaos.recorder import JOB_OF_POD
from chaos.rig import Rig
from chaos.say import say
from cluster import Cluster, cgroups, start, stop
from cluster.layout import BUILD
from support.attempts import assert_each_attempt_ran_once
from support.jobs import job, lasting
from support.kinds import with_kinds
from support.kube import Kube, Object, until
from support.operator_process import OperatorProcess

NAME = "memory"
JOBS = 20  # of each execution
COPIES = 240  # of an execution, 20 Kubernetes Jobs, 20 pods and a checkpoint
_GROUP = "cairn-chaos-memory"
_MIB = 1 << 20
_MANAGED = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "finalizers")
_RUNNERS = ("kube-controller-manager", "kwok")
_WITHIN = 1800.0  # seconds: 10,000 objects take a while to be told of, on a busy machine
_SEEN = re.compile(r"^cairn_watch_events_total\{.*\} (\S+)$", re.MULTILINE)


@dataclass
class Found:
    """In MiB, and seconds."""

    objects: int = 0
    alone: float = 0.0  # what an operator needs that knows nothing
    peak: float = 0.0  # from the start until everything is known
    after: float = 0.0  # once it is
    enough: float = 0.0  # the least limit tried with which it got there
    too_little: list[float] = field(default_factory=list)  # those with which it was killed at its start
    recovery: float = 0.0  # seconds from the next start, with enough, until the next launch
    findings: list[str] = field(default_factory=list)


class Group:
    """A control group with a limit of memory."""

    def __init__(self) -> None:
        cgroups.create(_GROUP)
        found = [each / _GROUP for each in cgroups.hierarchies()]
        self._folder = next(each for each in found if list(each.glob("memory.*")))
        self._old = (self._folder / "memory.limit_in_bytes").exists()  # version 1 of control groups

    def limit(self, mib: float) -> None:
        """What its processes may have together; nothing of it is swapped out."""
        (self._folder / ("memory.limit_in_bytes" if self._old else "memory.max")).write_text(str(int(mib * _MIB)))

    def used(self) -> float:
        """What they have of their own now: without what the kernel keeps of files and would give back."""
        stat = dict(line.split() for line in (self._folder / "memory.stat").read_text().splitlines())
        return int(stat["total_rss" if self._old else "anon"]) / _MIB

    def remove(self) -> None:
        """Its processes are gone."""
        cgroups.remove(_GROUP)


class Limited(OperatorProcess):
    """An operator in the group."""

    def command(self) -> list[str]:
        """What runs it."""
        return list(cgroups.joining_root(_GROUP, tuple(super().command())))


def run() -> Found:
    """On a cluster of its own, which is gone afterwards."""
    with ExitStack() as end:
        stop(NAME)
        there = start("fake", NAME)
        end.callback(stop, there)
        with_kinds(there)
        group = Group()
        end.callback(group.remove)
        rig = end.enter_context(Rig(there, operators=0))
        operator = Limited(there.kubeconfig, BUILD / "logs" / "memory-operator.log", rig.kube.namespace)
        end.callback(lambda: operator.stop() if operator.running else None)
        return _measured(rig, there, group, operator)


def _measured(rig: Rig, there: Cluster, group: Group, operator: OperatorProcess) -> Found:
    found = Found()
    operator.start()
    rig.kube.run("pattern", *(lasting(f"j{n}", duration="50ms", fake={"message": '{"rows": 3}'})
                              for n in range(JOBS)))  # fmt: skip
    rig.kube.wait("pattern", "Succeeded")
    rig.kube.saved("pattern")
    found.alone = group.used()
    operator.stop()
    found.objects = _multiply(rig.api, there)
    say(f"{found.objects} objects")
    found.peak, found.after = _known(group, operator, found.objects)
    operator.stop()
    say(f"alone {found.alone:.0f} MiB, peak {found.peak:.0f} MiB, then {found.after:.0f} MiB")
    _find_the_limit(group, operator, found)
    _die_in_the_middle(rig.kube, rig.api, group, operator, found)
    return found


# --- Many objects ----------------------------------------------------------------------------------------------------


def _multiply(api: Api, there: Cluster) -> int:
    """Copy the pattern; who would run the copies is away meanwhile."""
    for part in _RUNNERS:
        there.stop_part(part, kill=True)
    kinds = {kind: api.list(kind) for kind in ("jobs", "pods", "checkpoints")}
    execution = api.get("dagexecutions", "pattern")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: _copy(api, execution, kinds, n), range(COPIES)))
    for part in _RUNNERS:
        there.start_part(part)
    return sum(len(api.list(kind)) for kind in ("dagexecutions", *kinds))


def _copy(api: Api, execution: Object, kinds: dict[str, list[Object]], number: int) -> None:
    made = _again(api, "dagexecutions", execution, number, lambda body: None)
    owner, jobs = made["metadata"]["uid"], {}

    def owned(body: Object) -> None:
        body["metadata"]["labels"] |= {"cairn.dev/execution": made["metadata"]["name"],
                                       "cairn.dev/execution-uid": owner}  # fmt: skip
        for reference in body["metadata"]["ownerReferences"]:
            reference |= {"name": made["metadata"]["name"], "uid": owner}
        del body["spec"]["selector"]
        _unlabel(body["metadata"]["labels"], body["spec"]["template"]["metadata"]["labels"])

    for each in kinds["jobs"]:
        jobs[each["metadata"]["uid"]] = _again(api, "jobs", each, number, owned)

    def under(body: Object) -> None:
        parent = jobs[body["metadata"]["labels"][JOB_OF_POD]]
        name, uid = parent["metadata"]["name"], parent["metadata"]["uid"]
        body["metadata"]["labels"] |= {JOB_OF_POD: uid, "controller-uid": uid, "job-name": name,
                                       "batch.kubernetes.io/job-name": name, "cairn.dev/execution-uid": owner,
                                       "cairn.dev/execution": made["metadata"]["name"]}  # fmt: skip
        body["metadata"]["ownerReferences"][0] |= {"name": name, "uid": uid}

    for each in kinds["pods"]:
        _again(api, "pods", each, number, under)

    def about(body: Object) -> None:
        body["spec"]["executionRef"]["name"] = made["metadata"]["name"]
        body["status"]["executionUid"] = owner
        body["status"]["checkpointId"] = f"{body['status']['checkpointId'][:-4]}{number:04}"

    for each in kinds["checkpoints"]:
        _again(api, "checkpoints", each, number, about)


def _again(api: Api, kind: str, original: Object, number: int, change: Callable[[Object], None]) -> Object:
    body = copy.deepcopy(original)
    for key in _MANAGED:
        body["metadata"].pop(key, None)
    body["metadata"].pop("generateName", None)
    body["metadata"]["name"] = f"{body['metadata']['name'][:55]}-{number:03}"
    change(body)
    made = api.create(kind, body)
    return api.put_status(kind, made["metadata"]["name"], made | {"status": body["status"]})


def _unlabel(*found: dict[str, Any]) -> None:
    for labels in found:
        for key in (JOB_OF_POD, "controller-uid", "job-name", "batch.kubernetes.io/job-name"):
            labels.pop(key, None)


# --- Limits ----------------------------------------------------------------------------------------------------------


def _known(group: Group, operator: OperatorProcess, objects: int) -> tuple[float, float]:
    """Start the operator; its peak until everything is known and nothing waits, and what it has then."""
    operator.spawn()
    peak, end, quiet = 0.0, time.monotonic() + _WITHIN, 0
    while quiet < 5:
        assert time.monotonic() < end, "it does not get to know everything"
        assert operator.running, "killed"
        peak = max(peak, group.used())
        quiet = quiet + 1 if _has_everything(operator, objects) else 0
        time.sleep(0.2)
    return peak, group.used()


def _has_everything(operator: OperatorProcess, objects: int) -> bool:
    """Whether the watches have brought as much as there is, and nothing waits to be looked at."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{operator.port}/metrics", timeout=5) as answer:
            seen = sum(map(float, _SEEN.findall(answer.read().decode())))
        return seen >= objects and operator.describe()["queued"] == 0
    except OSError:
        return False


def _find_the_limit(group: Group, operator: OperatorProcess, found: Found) -> None:
    """Less and less, from what it has needed, until the kernel kills it."""
    limit = found.enough = float(int(found.peak * 2))
    while limit > found.alone / 2:
        group.limit(limit)
        try:
            _known(group, operator, found.objects)
            found.enough = limit
            operator.stop()
        except AssertionError as error:
            if str(error) != "killed":
                raise
            found.too_little.append(limit)
            say(f"killed with {limit:.0f} MiB")
            return
        say(f"enough: {limit:.0f} MiB")
        limit = float(int(limit * 0.85))


def _die_in_the_middle(kube: Kube, api: Api, group: Group, operator: OperatorProcess, found: Found) -> None:
    """It is killed for what comes in addition while an execution runs, and goes on with more memory."""
    group.limit(found.enough * 2)
    _known(group, operator, found.objects)
    kube.run("in-the-middle", lasting("a", duration="3s"), *(job(f"b{n}", "a") for n in range(5)))
    until(lambda: kube.job("in-the-middle", "a").get("startedAt"), "it runs", _WITHIN)
    operator.kill()
    group.limit(found.too_little[-1] if found.too_little else found.alone / 2)
    operator.spawn()  # and is started again and again, as a kubelet would, with as little
    until(lambda: not operator.running, "it is killed", _WITHIN)
    group.limit(found.enough * 2)
    began = time.monotonic()
    operator.spawn()
    until(lambda: kube.jobs("in-the-middle", "b0"), "it goes on", _WITHIN)
    found.recovery = time.monotonic() - began
    kube.wait("in-the-middle", "Succeeded", timeout=int(_WITHIN))
    try:
        assert_each_attempt_ran_once(kube, "in-the-middle")
    except AssertionError as error:
        found.findings.append(f"doubled: {error}")
    say(f"killed, and with more memory the next launch is {found.recovery:.1f} s after the start")
