"""A control group per real node, which the node takes for the root: it sees its own containers and nobody else's.

Without it, a kubelet waits three seconds for each container of any other node on the machine before it starts the first
pod; and what containers leave behind when they are killed could not be told from what belongs to others.

Version 1 has a hierarchy per controller, version 2 a single one in which only leaves may hold processes.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from cluster.node_init import LEAF
from cluster.processes import wait_until

ROOT = Path("/sys/fs/cgroup")
_JOIN = 'while [ "$1" != -- ]; do echo $$ >"$1" || exit 1; shift; done; shift; exec "$@"'


def hierarchies(root: Path = ROOT) -> list[Path]:
    """The mounted hierarchies, each once: some names are links to others."""
    if (root / "cgroup.procs").exists():
        return [root]
    return sorted({path.parent.resolve() for path in root.glob("*/cgroup.procs")})


def create(name: str, root: Path = ROOT) -> None:
    """Make the group in every hierarchy."""
    for hierarchy in hierarchies(root):
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            # In version 1 a new group has neither processors nor memory, and nobody can join it.
            if hierarchy != root and (group / setting).exists():
                (group / setting).write_text((hierarchy / setting).read_text())


def joining_root(name: str, command: tuple[str, ...], root: Path = ROOT) -> tuple[str, ...]:
    """The command that joins the group itself, to make it the root of a namespace, and becomes `command`."""
    return _joining([hierarchy / name for hierarchy in hierarchies(root)], command)


def joining(name: str, command: tuple[str, ...], root: Path = ROOT) -> tuple[str, ...]:
    """The command that joins the place for the node's own processes, and becomes `command`."""
    leaf = LEAF if hierarchies(root) == [root] else ""
    return _joining([hierarchy / name / leaf for hierarchy in hierarchies(root)], command)


def _joining(groups: list[Path], command: tuple[str, ...]) -> tuple[str, ...]:
    return ("sh", "-c", _JOIN, "sh", *(str(group / "cgroup.procs") for group in groups), "--", *command)


def remove(name: str, root: Path = ROOT) -> None:
    """Remove the group and all below it; the processes in it have been killed and may take a moment to be gone."""

    def removed() -> bool:
        left = [hierarchy / name for hierarchy in hierarchies(root) if (hierarchy / name).is_dir()]
        for group in left:
            for path in sorted([group, *(each for each in group.rglob("*") if each.is_dir())], reverse=True):
                with suppress(OSError):
                    path.rmdir()
        return not any(group.is_dir() for group in left)

    wait_until(removed, 10)
