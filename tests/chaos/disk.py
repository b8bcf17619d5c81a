"""A disk that is as full as a test wants it: a small file system in memory, whose size shrinks to what is on it."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

_SIZE = "2g"


class Disk:
    """A file system of its own; root only."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cairn-disk-"))
        _run("mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=755", "tmpfs", str(self.folder))

    def fill(self) -> None:
        """Nothing more fits, from one moment to the next."""
        told = _run("df", "--block-size=1", "--output=used", str(self.folder))
        self._resize(told.split()[-1])

    def free(self) -> None:
        """There is room again."""
        self._resize(_SIZE)

    def remove(self) -> None:
        """Unmount it; what was on it is gone."""
        _run("umount", "--lazy", str(self.folder))
        self.folder.rmdir()

    def _resize(self, size: str) -> None:
        _run("mount", "-o", f"remount,size={size}", str(self.folder))


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
