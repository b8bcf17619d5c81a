"""The demo's Postgres: one more part of its cluster, found, restarted and stopped like these."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from cluster.layout import Layout
from cluster.processes import Part, Processes
from cluster.state import free_ports
from support.postgres import NOBODY, PostgresServer, programs, reachable, wait_for

_NAME = "postgres"
# A part is started as whoever runs the demo; Postgres refuses to be root.
_AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")


class Database:
    """A Postgres server whose data are those of the last demo."""

    def __init__(self, cluster: str) -> None:
        self._layout = Layout.of(cluster)
        self._processes = Processes(self._layout)
        self.programs: Path = programs()
        self.url = ""

    def begin_anew(self) -> None:
        """Start a server without data, in place of the one that an earlier demo has left."""
        self.stop()
        home = self._home()
        shutil.rmtree(home, ignore_errors=True)
        server = PostgresServer(home, free_ports([_NAME])[_NAME])
        server.prepare()
        self.url = server.url()
        prefix = _AS_NOBODY if os.geteuid() == 0 else ()
        self._start(Part(_NAME, (*prefix, *server.command())))

    def start(self) -> None:
        """Start it again, where it was."""
        record = self._processes.record(_NAME)
        assert record is not None
        self._start(record.part)

    def stop(self) -> None:
        """Kill it, if it runs: no farewell to anybody."""
        self._processes.stop(_NAME, kill=True)

    def _start(self, part: Part) -> None:
        self._processes.start(part)
        wait_for(self.url, lambda: self._processes.pid(_NAME) is not None, self._processes.log(_NAME))

    def _home(self) -> Path:
        """Beside the cluster, or where `nobody` may go."""
        inside = self._layout.root / _NAME
        if os.geteuid() != 0 or reachable(self._layout.root):
            return inside
        return Path(tempfile.gettempdir()) / f"cairn-{self._layout.name}-{_NAME}"
