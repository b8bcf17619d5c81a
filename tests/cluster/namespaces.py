"""The namespaces in which a real node lives, and its one link to the machine.

A veth pair joins the two: the machine's end carries the address on which the API server listens, the other end is the
node's own. The node has no default route, so nothing of it leaves the machine. Deleting the namespaces deletes it all.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cluster import cgroups, node_init, procfs
from cluster.errors import ClusterError
from cluster.layout import SOURCES, Layout
from cluster.processes import Part, Processes, wait_until

HOLDER = "node"
_BLOCKS = range(200, 250)


@dataclass(frozen=True)
class Network:
    """The addresses of one real node: a /16 of its own, so that several clusters can stand side by side."""

    block: int
    short: str

    @property
    def pods(self) -> str:
        return f"10.{self.block}.0.0/17"

    @property
    def services(self) -> str:
        return f"10.{self.block}.128.0/18"

    @property
    def all(self) -> str:
        return f"10.{self.block}.0.0/16"

    @property
    def machine(self) -> str:
        """The machine's address as the node sees it; the API server's."""
        return f"10.{self.block}.255.1"

    @property
    def node(self) -> str:
        """The node's own address; kubelet and DNS listen there."""
        return f"10.{self.block}.255.2"

    @property
    def link(self) -> str:
        """The machine's end of the link; the node's control group is called the same."""
        return f"cairn-{self.short}"


def run(*command: str, check: bool = True) -> str:
    """Run a command of the system; a failure carries what it said."""
    result = subprocess.run(command, text=True, capture_output=True, check=False)
    if check and result.returncode:
        raise ClusterError(f"{' '.join(command)}: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout


def free_block() -> int:
    """The second number of a 10.x.0.0/16 that neither an address nor a route of this machine touches."""
    routes = json.loads(run("ip", "-json", "-4", "route", "show", "table", "all"))
    taken = {str(route["dst"]).split("/")[0] for route in routes}
    for block in _BLOCKS:
        if not any(address.startswith(f"10.{block}.") for address in taken):
            return block
    raise ClusterError("no free network: down the clusters of other checkouts")


class Namespaces:
    """The namespaces of one cluster's node."""

    def __init__(self, layout: Layout, network: Network) -> None:
        self._layout = layout
        self._network = network
        self._processes = Processes(layout)

    def start(self) -> None:
        """Make the namespaces, unless they exist, and link them to the machine."""
        if self._processes.pid(HOLDER) is None:
            clean(self._network)
        cgroups.create(self._network.link)
        kinds = ("--net", "--mount", "--propagation", "slave", "--pid", "--mount-proc", "--cgroup")
        # Not sys.executable: another environment asking for the same node must find it, not replace it.
        init = ("python3", str(SOURCES / "node_init.py"), str(self._layout.root))
        command = ("unshare", *kinds, "--fork", "--kill-child", "--", *init)
        self._processes.start(Part(HOLDER, cgroups.joining_root(self._network.link, command)))
        if not wait_until(lambda: self.path(str(node_init.READY)).exists(), 20):
            raise ClusterError(f"the node's namespaces are not ready: {self._processes.log(HOLDER)}")
        if not Path("/sys/class/net", self._network.link).exists():
            self._link()

    def enter(self, *command: str) -> tuple[str, ...]:
        """The command that runs `command` on the node."""
        target = ("nsenter", "--target", str(self.init()), "--mount", "--net", "--pid", "--cgroup")
        return cgroups.joining(self._network.link, (*target, "--", *command))

    def path(self, path: str) -> Path:
        """A path of the node as seen from the machine."""
        return Path(f"/proc/{self.init()}/root{path}")

    def init(self) -> int:
        """The pid, on this machine, of the node's first process."""
        holder = self._processes.pid(HOLDER)
        if holder is None:
            raise ClusterError(f"cluster {self._layout.name} has no running node")
        children: list[int] = []

        def forked() -> bool:
            children[:] = procfs.children(holder)
            return bool(children)

        wait_until(forked, 10)
        return children[0]

    def _link(self) -> None:
        network, init = self._network, str(self.init())
        run("ip", "link", "add", network.link, "type", "veth", "peer", "name", "eth0", "netns", init)
        run("ip", "address", "add", f"{network.machine}/30", "dev", network.link)
        run("ip", "link", "set", network.link, "up")
        inside = ("nsenter", "--target", init, "--net", "--", "ip")
        run(*inside, "address", "add", f"{network.node}/30", "dev", "eth0")
        run(*inside, "link", "set", "eth0", "up")
        run("ip", "route", "add", network.all, "via", network.node, "dev", network.link)


def clean(network: Network) -> None:
    """Remove what outlives the node's processes: the control groups, and the link for a moment."""
    if Path("/sys/class/net", network.link).exists():
        # Gone by itself in between, most of the time.
        run("ip", "link", "delete", network.link, check=False)
    cgroups.remove(network.link)
