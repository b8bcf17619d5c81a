"""The first process of a real node: it prepares the node's private view of the machine, then reaps orphans.

It runs as pid 1 of fresh network, mount, pid and cgroup namespaces, and imports nothing of this package. That is what
makes a node leave no trace: when this process dies, however that comes about, the kernel ends every process of the
node, containers included, and drops its mounts, interfaces and iptables chains.

Rules: whatever a part of the node writes outside the cluster's directory lands in memory; kernel settings of the
machine are not changed, only shown as the kubelet wants to see them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

PRIVATE = Path("/run/cairn")
READY = PRIVATE / "ready"

CGROUPS = Path("/sys/fs/cgroup")
# Where the node's own processes go in version 2, which wants none in a group that has others below it.
LEAF = "parts"

# What pods claim as volumes.
VOLUMES = Path("/var/lib/volumes")

# What is large, or worth reading after the fact, lies on disk.
_ON_DISK = {
    "containerd": "/var/lib/containerd", "kubelet": "/var/lib/kubelet", "pod-logs": "/var/log/pods",
    VOLUMES.name: str(VOLUMES),
}  # fmt: skip

# The kubelet sets these for the whole machine unless it finds them set already.
_SHOWN_KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}

# These belong to the network namespace, that is to the node alone.
_NETWORK_SETTINGS = {"ipv4/ip_forward": "1", "bridge/bridge-nf-call-iptables": "1"}


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _bind(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    _mount("--bind", str(source), str(target))


def _private_directories(root: Path) -> None:
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    # The cluster's directory may itself lie below /var: keep a way to it, and put it back on top.
    kept = PRIVATE / "root"
    _bind(root, kept)
    upper, work = PRIVATE / "var", PRIVATE / "var-work"
    upper.mkdir()
    work.mkdir()
    _mount("-t", "overlay", "-o", f"lowerdir=/var,upperdir={upper},workdir={work}", "overlay", "/var")
    _bind(kept, root)
    for name, target in _ON_DISK.items():
        source = root / "node" / name
        source.mkdir(parents=True, exist_ok=True)
        _bind(source, Path(target))


def _control_groups() -> None:
    """Mount the hierarchies anew: seen from this namespace their root is the node's own group."""
    fields = [line.split(" ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    mounts = [(Path(each[4]), each[each.index("-") + 1], each[-1]) for each in fields]
    found = [each for each in mounts if each[1] in ("cgroup", "cgroup2") and each[0].is_relative_to(CGROUPS)]
    if any(path == CGROUPS for path, _, _ in found):
        _mount("-t", "cgroup2", "cgroup2", str(CGROUPS))
        (CGROUPS / LEAF).mkdir(exist_ok=True)
        (CGROUPS / LEAF / "cgroup.procs").write_text("0")
        return
    links = {path: path.readlink() for path in CGROUPS.iterdir() if path.is_symlink()}
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(CGROUPS))
    for path, kind, options in found:
        path.mkdir()
        wanted = [option for option in options.split(",") if option not in ("rw", "ro", "xattr", "nsdelegate")]
        _mount("-t", kind, *(["-o", ",".join(wanted)] if wanted and kind == "cgroup" else []), kind, str(path))
    for path, target in links.items():
        path.symlink_to(target)


def _kernel_settings() -> None:
    for number, (name, value) in enumerate(_SHOWN_KERNEL_SETTINGS.items()):
        setting = Path("/proc/sys") / name
        if setting.exists():
            shown = PRIVATE / f"setting-{number}"
            shown.write_text(f"{value}\n")
            _mount("--bind", str(shown), str(setting))
    for name, value in _NETWORK_SETTINGS.items():
        setting = Path("/proc/sys/net") / name
        if setting.exists():
            setting.write_text(value)


def _reap_until_told_to_stop() -> None:
    waited_for = {signal.SIGCHLD, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, waited_for)
    READY.touch()
    while signal.sigwait(waited_for) != signal.SIGTERM:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            continue


def main(root: Path) -> None:
    """Prepare the node, say so, and stay."""
    # Shared among the node's own mount namespaces (volumes need that), while nothing travels to the machine's.
    _mount("--make-rshared", "/")
    _private_directories(root)
    _control_groups()
    _kernel_settings()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    _reap_until_told_to_stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
