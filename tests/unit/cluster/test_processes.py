"""Parts are started, found again, judged and stopped: tried with real but small processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cluster import procfs
from cluster.errors import ClusterError
from cluster.layout import Layout
from cluster.processes import Part, Processes, Record, wait_until, without_proxies

SLEEPER = Part("sleeper", ("sleep", "60"))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.of("unit", tmp_path / "build" / "cluster")


@pytest.fixture
def processes(layout: Layout) -> Iterator[Processes]:
    found = Processes(layout)
    yield found
    for name in found.names():
        found.stop(name, kill=True)


@pytest.fixture
def bystander() -> Iterator[int]:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        yield process.pid
        process.kill()


def _written(layout: Layout, record: Record) -> None:
    layout.processes.mkdir(parents=True, exist_ok=True)
    (layout.processes / f"{record.part.name}.json").write_text(record.as_json())


def test_a_started_part_is_found_by_another_command(layout: Layout, processes: Processes) -> None:
    processes.start(SLEEPER)
    pid = processes.pid("sleeper")
    assert pid is not None
    assert Processes(layout).pid("sleeper") == pid


def test_a_part_leads_its_own_session(processes: Processes) -> None:
    processes.start(SLEEPER)
    pid = processes.pid("sleeper")
    assert pid is not None
    assert os.getsid(pid) == pid == os.getpgid(pid)


def test_starting_again_reuses_what_runs(processes: Processes) -> None:
    processes.start(SLEEPER)
    first = processes.pid("sleeper")
    processes.start(SLEEPER)
    assert processes.pid("sleeper") == first


def test_starting_with_other_arguments_replaces_what_runs(processes: Processes) -> None:
    processes.start(SLEEPER)
    first = processes.pid("sleeper")
    processes.start(replace(SLEEPER, argv=("sleep", "61")))
    assert processes.pid("sleeper") not in (None, first)


def test_restart(processes: Processes) -> None:
    processes.start(SLEEPER)
    first = processes.pid("sleeper")
    processes.restart("sleeper", kill=True)
    assert processes.pid("sleeper") not in (None, first)


def test_restart_of_an_unknown_part_says_which_there_are(processes: Processes) -> None:
    processes.start(SLEEPER)
    with pytest.raises(ClusterError, match="it has sleeper"):
        processes.restart("etcd")


def test_stop_ends_the_whole_group(layout: Layout, processes: Processes) -> None:
    processes.start(Part("family", ("sh", "-c", "sleep 60 & sleep 60 & wait")))
    record = processes.record("family")
    assert record is not None and record.identity is not None
    processes.stop("family")
    assert processes.pid("family") is None
    assert procfs.group_members(record.identity, str(layout.root)) == []


def test_stop_ends_what_a_crashed_leader_left(processes: Processes, layout: Layout) -> None:
    processes.start(Part("family", ("sh", "-c", "sleep 60 & echo $!; wait")))
    pid = processes.pid("family")
    assert pid is not None
    log = processes.log("family")
    assert wait_until(lambda: log.read_text().endswith("\n"), 10)
    child = int(log.read_text())
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert procfs.stat_of(child) is not None
    Processes(layout).stop("family")
    assert procfs.stat_of(child) is None


def test_stop_insists_where_politeness_does_not_help(processes: Processes) -> None:
    processes.start(Part("stubborn", ("sh", "-c", "trap '' TERM; echo ready; sleep 60 & wait; sleep 60")))
    assert wait_until(lambda: processes.log("stubborn").read_text() != "", 10)
    processes.stop("stubborn", grace=0.2)
    assert processes.pid("stubborn") is None


@pytest.mark.parametrize(
    "changed",
    [{"started": 1}, {"boot": "another boot"}],
    ids=["the pid was given to somebody else", "the machine was restarted"],
)
def test_stop_never_signals_a_stranger(
    layout: Layout, processes: Processes, bystander: int, changed: dict[str, int | str]
) -> None:
    identity = procfs.identify(bystander)
    assert identity is not None
    stale = procfs.Identity(**{**vars(identity), **changed})
    _written(layout, Record(SLEEPER, stale, since=0))
    assert processes.pid("sleeper") is None
    processes.stop("sleeper", kill=True)
    assert procfs.is_same(identity)


def test_a_start_that_was_interrupted_leaves_a_record_that_can_be_stopped(layout: Layout, processes: Processes) -> None:
    _written(layout, Record(SLEEPER, None, since=0))
    processes.stop("sleeper")
    assert processes.pid("sleeper") is None


def test_stop_all_finds_what_was_never_written_down(layout: Layout, processes: Processes, bystander: int) -> None:
    processes.start(SLEEPER)
    pid = processes.pid("sleeper")
    assert pid is not None
    (layout.processes / "sleeper.json").unlink()
    processes.stop_all()
    procfs.reap(pid)
    assert procfs.stat_of(pid) is None
    assert procfs.stat_of(bystander) is not None


def test_a_part_that_ends_at_once_is_reported_with_its_log(processes: Processes) -> None:
    with pytest.raises(ClusterError, match=r"(?s)broken ended.*no such flag"):
        processes.start(Part("broken", ("sh", "-c", "echo no such flag; exit 1"), ready="http://127.0.0.1:1/"))


def test_a_part_that_does_not_answer_is_reported(processes: Processes) -> None:
    with pytest.raises(ClusterError, match="mute is not ready"):
        processes.start(Part("mute", ("sleep", "60"), ready="http://127.0.0.1:1/"), timeout=0.2)


def test_ready_by_socket(processes: Processes, tmp_path: Path) -> None:
    # Socket paths are short, those of pytest may not be.
    script = "import socket, sys, time; s = socket.socket(socket.AF_UNIX); s.bind('s'); s.listen(); time.sleep(60)"
    argv = ("sh", "-c", f'cd "{tmp_path}" && exec "{sys.executable}" -c "{script}"')
    processes.start(Part("server", argv, ready=f"unix:{os.path.relpath(tmp_path / 's')}"))
    assert processes.is_ready("server")


def test_parts_are_listed_in_the_order_of_their_first_start(processes: Processes) -> None:
    for name in ("zebra", "ant"):
        processes.start(replace(SLEEPER, name=name))
    processes.restart("zebra")
    assert processes.names() == ["zebra", "ant"]


def test_a_record_survives_writing_and_reading() -> None:
    record = Record(Part("a", ("b", "--c"), "http://d", {"E": "f"}), procfs.Identity(1, 2, "boot"), 3)
    assert Record.from_json(record.as_json()) == record
    assert json.loads(record.as_json())["since"] == 3


def test_parts_do_not_see_proxies() -> None:
    environment = {"HTTPS_PROXY": "p", "https_proxy": "p", "NO_PROXY": "n", "PATH": "/bin"}
    assert without_proxies(environment) == {"PATH": "/bin"}
