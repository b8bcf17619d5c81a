"""A node's control group: found in both versions, and removed with all that lies below it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster import cgroups


@pytest.fixture(params=["v1", "v2"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "v2":
        (tmp_path / "cgroup.procs").touch()
        return tmp_path
    for controller in ("cpu,cpuacct", "memory"):
        (tmp_path / controller).mkdir()
        (tmp_path / controller / "cgroup.procs").touch()
    (tmp_path / "cpu").symlink_to("cpu,cpuacct")
    return tmp_path


def test_each_hierarchy_counts_once(root: Path) -> None:
    names = [path.relative_to(root.resolve()).as_posix() for path in cgroups.hierarchies(root)]
    assert names in (["."], ["cpu,cpuacct", "memory"])


def test_the_node_joins_every_hierarchy(root: Path) -> None:
    command = cgroups.joining("cairn-1", ("true",), root)
    files = command[command.index("sh", 1) + 1 : command.index("--")]
    assert len(files) == len(cgroups.hierarchies(root))
    assert all("/cairn-1/" in file and file.endswith("/cgroup.procs") for file in files)
    assert command[-2:] == ("--", "true")


def test_in_version_2_parts_stay_out_of_the_group_that_has_others_below_it(root: Path) -> None:
    at_root = cgroups.joining_root("cairn-1", ("true",), root)
    below = cgroups.joining("cairn-1", ("true",), root)
    assert (at_root != below) is ((root / "cgroup.procs").exists())


def test_remove_takes_the_whole_group_and_no_other(root: Path) -> None:
    cgroups.create("cairn-1", root)
    cgroups.create("cairn-2", root)
    for hierarchy in cgroups.hierarchies(root):
        (hierarchy / "cairn-1" / "k8s.io" / "container").mkdir(parents=True)
    cgroups.remove("cairn-1", root)
    assert [path.name for path in root.rglob("cairn-*")] == ["cairn-2"] * len(cgroups.hierarchies(root))


def test_removing_what_is_not_there_is_no_error(root: Path) -> None:
    cgroups.remove("cairn-1", root)
