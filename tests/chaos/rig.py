"""What faults are done to: a cluster, a Postgres on a disk of its own, and operators whose clock can be turned."""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from chaos.api import Api
from chaos.disk import Disk
from cluster import Cluster
from cluster.layout import BUILD
from support.checkpoints import Rows
from support.kube import Kube, until
from support.operator_process import OperatorProcess
from support.postgres import PostgresServer

LEASE_SECONDS = 4
_serial = itertools.count()


class TurnedOperator(OperatorProcess):
    """An operator whose time of day can be turned."""

    def __init__(self, kube: Kube, log: Path, clock: Path, **settings: str) -> None:
        super().__init__(kube.kubeconfig, log, kube.namespace, CAIRN_TEST_CLOCK=str(clock), **settings)
        self._clock = clock
        self.turn(0)

    def command(self) -> list[str]:
        """What runs it."""
        return [sys.executable, "-m", "chaos.clocked", "operator"]

    def turn(self, seconds: float) -> None:
        """Let its clock go wrong by so much, from one moment to the next."""
        scratch = self._clock.with_suffix(".new")
        scratch.write_text(str(int(seconds)))
        scratch.replace(self._clock)


class Rig:
    """One namespace of a cluster with all that serves it; the operators begin with `start`."""

    def __init__(self, there: Cluster, operators: int = 2, **settings: str) -> None:
        self._end = ExitStack()
        self.cluster = there
        self.kube = Kube(there.bin / "kubectl", there.kubeconfig, f"chaos-{os.getpid()}-{next(_serial)}")
        self.disk = Disk()
        self._end.callback(self.disk.remove)
        self.postgres = PostgresServer(self.disk.folder / "postgres")
        self._end.callback(self.postgres.remove)
        self.folder = Path(self._end.enter_context(tempfile.TemporaryDirectory(prefix="cairn-chaos-")))
        self.wanted: set[TurnedOperator] = set()  # those that nobody has killed on purpose
        self.stopped: set[TurnedOperator] = set()  # by SIGSTOP
        self.exits: list[str] = []  # of operators that nobody had asked to end
        self.operators: list[TurnedOperator] = []
        self._count = operators
        self._settings = settings

    def __enter__(self) -> Self:
        try:
            self._prepare()
        except BaseException:
            self._end.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end.close()

    def _prepare(self) -> None:
        self.kube.kubectl("create", "namespace", self.kube.namespace)
        known = ("get", "serviceaccount", "default")
        until(lambda: self.kube.kubectl(*known, check=False).returncode == 0, "a service account")
        self.api = self.new_api()
        self.postgres.start()
        self.rows = Rows(self.postgres.migrated())
        self.operators = [self._operator(number) for number in range(self._count)]
        for each in self.operators:
            self._end.callback(each.stop)
            each.spawn()
            self.wanted.add(each)
        until(lambda: all(each.ready() for each in self.operators), "the operators are ready")
        if self.operators:
            until(self.leader, "one leads")

    def new_api(self) -> Api:
        """Another way to ask the API server; it ends with the rig."""
        made = Api(self.kube.kubeconfig, self.kube.namespace)
        self._end.callback(made.close)
        return made

    def _operator(self, number: int) -> TurnedOperator:
        log = BUILD / "logs" / f"{self.kube.namespace}-operator-{number}.log"
        settings = {
            "DATABASE_URL": self.rows.url, "CAIRN_LEADER_ELECTION": "true", "CAIRN_LEASE_SECONDS": str(LEASE_SECONDS),
            "CAIRN_HOME_NAMESPACE": self.kube.namespace, "POD_NAME": f"operator-{number}",
        }  # fmt: skip
        clock = self.folder / f"clock-{number}"
        return TurnedOperator(self.kube, log, clock, **settings | self._settings)

    def leader(self) -> TurnedOperator | None:
        """The operator that leads, as far as it knows."""
        for each in self.operators:
            if each.running and each not in self.stopped and _leads(each):
                return each
        return None

    def restart_controllers(self) -> None:
        """As they do that have lost their Lease; those here have none, and would wait for up to a minute instead."""
        for part in ("kube-controller-manager", "kube-scheduler", "kwok"):
            self.cluster.restart(part, kill=True)

    def tend(self) -> None:
        """Start again what has ended by itself, as a kubelet would."""
        for each in self.wanted:
            if not each.running:
                self.exits.append(each.log.name)
                each.spawn()


def _leads(operator: TurnedOperator) -> bool:
    try:
        return bool(operator.describe()["leader"])
    except OSError:
        return False


def took(work: Callable[[], object]) -> float:
    """How many seconds it takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began
