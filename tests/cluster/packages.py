"""What a real node needs from Debian, and how to get it without disturbing the machine.

Nothing of these packages is started as a service: containerd runs as a part of the cluster, in directories of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.errors import ClusterError
from cluster.layout import locked

NODE = ("containerd", "runc", "containernetworking-plugins", "iptables", "conntrack", "iproute2", "busybox-static")
DEBIAN_IMAGES = ("mmdebstrap",)
BUILD = ("buildah",)

_POLICY = Path("/usr/sbin/policy-rc.d")


def missing(names: tuple[str, ...]) -> list[str]:
    """Those of the packages that are not installed."""
    query = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\\n", *names]
    try:
        output = subprocess.run(query, text=True, capture_output=True, check=False).stdout
    except FileNotFoundError:
        raise ClusterError("a real node needs Debian's packages, and this machine has no dpkg") from None
    installed = {line.split()[0] for line in output.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in installed]


def ensure(names: tuple[str, ...]) -> list[str]:
    """Install what is missing; returns its names."""
    wanted = missing(names)
    if not wanted:
        return []
    if os.geteuid() != 0:
        raise ClusterError(f"not root, and not installed: {' '.join(wanted)}")
    with locked("packages"), _no_services():
        _apt("update")
        _apt("install", "--yes", "--no-install-recommends", *wanted)
    return wanted


def _apt(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # What apt says is for people: the standard output of these commands belongs to whoever reads a kubeconfig from it.
    result = subprocess.run(["apt-get", "--quiet", *arguments], env=environment, stdout=sys.stderr, check=False)
    if result.returncode:
        raise ClusterError(f"apt-get {arguments[0]} failed")


@contextmanager
def _no_services() -> Iterator[None]:
    """Keep packages from starting their services; a policy that the machine has already is left as it is."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()
