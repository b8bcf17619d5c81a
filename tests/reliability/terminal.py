"""What the runs share that people start by hand: a cluster of their own, and tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cluster import Cluster, start, stop
from support.kinds import with_kinds
from support.reliability import Table
from support.signals import sigterm_is_ctrl_c


@contextmanager
def cluster_for(name: str) -> Iterator[Cluster]:
    """A control plane with fake nodes, for as long as it is needed, or until SIGTERM or Ctrl-C."""
    sigterm_is_ctrl_c()
    there = start("fake", name)
    try:
        yield with_kinds(there)
    finally:
        stop(there)


def text_of(table: Table) -> str:
    """A table in columns."""
    lines = [[str(cell) for cell in row] for row in (table.columns, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
