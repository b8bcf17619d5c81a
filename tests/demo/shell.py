"""Run commands as a person would type them, and show them as they are run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cluster.layout import CHECKOUT
from cluster.processes import without_proxies
from demo.errors import DemoError
from demo.screens import Screen


class Shell:
    """A shell in the checkout whose kubectl is the demo's and talks to the demo's cluster."""

    def __init__(self, kubeconfig: Path, programs: Sequence[Path], screen: Screen, **environment: str) -> None:
        self._screen = screen
        self._environment: dict[str, str] = {
            **without_proxies(os.environ),
            "KUBECONFIG": str(kubeconfig),
            "PATH": os.pathsep.join([*map(str, programs), os.environ.get("PATH", os.defpath)]),
            **environment,
        }

    def export(self, name: str, command: str) -> None:
        """Set a variable of this shell to what a command prints, which is not shown: it may be secret."""
        self._screen.command(f"export {name}=$({command})")
        self._environment[name] = self.read(command).strip()

    def run(self, command: str, *, code: int = 0) -> str:
        """Show a command, run it, show what it prints; it must exit with that code."""
        self._screen.command(command)
        output = self.read(command, code=code)
        self._screen.output(output)
        return output

    def read(self, command: str, *, code: int = 0) -> str:
        """Run a command without showing it; both of its streams, in order."""
        with self.start(command) as process:
            output, _ = process.communicate()
        if process.returncode != code:
            raise DemoError(f"Exit code {process.returncode} of: {command}\n{output.strip()}")
        return output

    def start(self, command: str) -> subprocess.Popen[str]:
        """Start a command and leave it running."""
        return subprocess.Popen(
            ["sh", "-c", command],
            cwd=CHECKOUT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
