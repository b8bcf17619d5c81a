"""What was decided once for a cluster and must not change while it lives: what it is, its ports, its addresses."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, Self

from cluster.layout import Layout

Nodes = Literal["fake", "real"]

# Below what Linux hands out for outgoing connections: a port stays free while its owner is being restarted.
_PORTS = range(20_000, 32_000)


@dataclass(frozen=True)
class State:
    """The fixed facts of a cluster."""

    name: str
    nodes: Nodes
    provider: str
    ports: Mapping[str, int]
    block: int = 0
    """Second number of the cluster's own 10.x network; 0 where there is none."""

    @classmethod
    def load(cls, layout: Layout) -> Self | None:
        """What is written down, if anything."""
        try:
            return cls(**json.loads(layout.state.read_text()))
        except FileNotFoundError:
            return None

    def save(self, layout: Layout) -> None:
        """Write it down."""
        layout.root.mkdir(parents=True, exist_ok=True)
        scratch = layout.state.with_suffix(".new")
        scratch.write_text(json.dumps(asdict(self), indent=1))
        scratch.replace(layout.state)


def free_ports(names: list[str]) -> dict[str, int]:
    """A port for each name that nobody listens on now."""
    chosen: dict[str, int] = {}
    candidates = random.sample(_PORTS, len(_PORTS))
    for name in names:
        chosen[name] = next(port for port in iter(candidates.pop, None) if _is_free(port))
    return chosen


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True
