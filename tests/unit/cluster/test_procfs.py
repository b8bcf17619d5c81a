"""Nothing is taken for ours that is not: pids are given to others after a while."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cluster import procfs
from cluster.procfs import Identity, Stat

BOOT = "11111111-2222-3333-4444-555555555555"
MARK = "state/fake"


def _stat_line(pid: int, *, name: str = "etcd", state: str = "S", group: int | None = None, started: int = 700) -> str:
    fields = [state, "1", str(pid if group is None else group), *(["0"] * 16), str(started), "0", "0"]
    return f"{pid} ({name}) {' '.join(fields)}\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    boot = tmp_path / "sys/kernel/random/boot_id"
    boot.parent.mkdir(parents=True)
    boot.write_text(f"{BOOT}\n")
    return tmp_path


def _add(
    proc: Path, pid: int, *, mark: str | None = None, state: str = "S", group: int = 0, started: int = 700
) -> None:
    directory = proc / str(pid)
    directory.mkdir()
    (directory / "stat").write_text(_stat_line(pid, state=state, group=group or pid, started=started))
    variables = ["PATH=/bin"] + ([] if mark is None else [f"{procfs.MARK}={mark}"])
    (directory / "environ").write_bytes("\0".join(variables).encode() + b"\0")


@pytest.mark.parametrize("name", ["etcd", "a b", "odd) S 1 2 (name", "((("])
def test_parse_stat_survives_any_name(name: str) -> None:
    line = _stat_line(42, name=name, state="R", group=40, started=1234)
    assert procfs.parse_stat(line) == Stat(pid=42, state="R", group=40, started=1234)


def test_identify(proc: Path) -> None:
    _add(proc, 42, started=1234)
    assert procfs.identify(42, proc) == Identity(42, 1234, BOOT)


@pytest.mark.parametrize("state", ["Z", "X"])
def test_the_dead_have_no_identity(proc: Path, state: str) -> None:
    _add(proc, 42, state=state)
    assert procfs.identify(42, proc) is None


def test_no_process_no_identity(proc: Path) -> None:
    assert procfs.identify(42, proc) is None


OURS = Identity(42, 700, BOOT)


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        pytest.param(OURS, True, id="same start time, same boot"),
        pytest.param(replace(OURS, started=699), False, id="the pid was given to another process"),
        pytest.param(replace(OURS, boot="another"), False, id="the machine was restarted"),
        pytest.param(replace(OURS, pid=43), False, id="nobody has that pid"),
    ],
)
def test_is_same(proc: Path, identity: Identity, expected: bool) -> None:
    _add(proc, 42)
    assert procfs.is_same(identity, proc) is expected


def test_group_members_are_the_leader_and_what_carries_our_mark(proc: Path) -> None:
    _add(proc, 42, mark=MARK)
    _add(proc, 50, mark=MARK, group=42, started=701)
    _add(proc, 51, group=42, started=701)
    _add(proc, 52, mark="state/other", group=42, started=701)
    _add(proc, 53, mark=MARK, group=53, started=701)
    _add(proc, 54, mark=MARK, group=42, started=702, state="Z")
    assert sorted(procfs.group_members(OURS, MARK, proc)) == [42, 50]


def test_group_members_outlive_their_leader(proc: Path) -> None:
    _add(proc, 50, mark=MARK, group=42, started=701)
    assert procfs.group_members(OURS, MARK, proc) == [50]


@pytest.mark.parametrize(
    "identity",
    [replace(OURS, started=699), replace(OURS, boot="another")],
    ids=["the pid is somebody else's now", "the machine was restarted"],
)
def test_a_foreign_group_has_no_members_of_ours(proc: Path, identity: Identity) -> None:
    _add(proc, 42)
    _add(proc, 50, group=42, started=701)
    assert procfs.group_members(identity, MARK, proc) == []
