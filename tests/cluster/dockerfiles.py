"""Build a Dockerfile where no engine runs and no registry answers: by Debian's buildah, on bases of Debian's packages.

Rules: root, chroot isolation (nothing of systemd, no user namespace); images are looked for in the own store only; of
this machine nothing gets into a layer, pip's settings are mounted while it runs.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cluster import packages, pip_settings
from cluster.errors import ClusterError
from cluster.layout import IMAGES
from cluster.namespaces import run

_DRIVERS = ("overlay", "vfs")  # the second works on any file system, but copies a whole root for each step


@dataclass(frozen=True)
class Recipe:
    """What is built; its context is the folder of the Dockerfile."""

    dockerfile: Path
    reference: str
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def sources(self) -> list[Path]:
        """What the image depends on: the files and folders that .dockerignore lets in, where there is one."""
        context = self.dockerfile.parent
        ignored = context / ".dockerignore"
        if not ignored.exists():
            return [context]
        lines = ignored.read_text().splitlines()
        return [self.dockerfile, ignored, *(context / line[1:] for line in lines if line.startswith("!"))]

    @property
    def inputs(self) -> list[Path]:
        """The files among them."""
        found = {path for top in self.sources for path in (top, *top.rglob("*"))}
        return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)

    def commit(self) -> str:
        """The newest commit that changed the sources; marked if they are not as it left them, `unknown` without git."""
        paths = ["--", *map(str, self.sources)]
        newest, changed = self._git("log", "-1", "--format=%H", *paths), self._git("status", "--porcelain", *paths)
        return newest + ("-dirty" if changed else "") if newest else "unknown"

    def _git(self, *arguments: str) -> str:
        if shutil.which("git") is None:
            return ""
        command = ["git", "-C", str(self.dockerfile.parent), *arguments]
        return subprocess.run(command, text=True, capture_output=True, check=False).stdout.strip()


class Builder:
    """buildah with a store of its own below build/images."""

    def __init__(self) -> None:
        packages.ensure(packages.BUILD)
        self._buildah = next((prefix for prefix in map(_prefix, _DRIVERS) if _works(*prefix, "info")), ())
        if not self._buildah:
            raise ClusterError("buildah works with neither overlay nor vfs here: see `buildah info`")

    def has(self, reference: str) -> bool:
        """Whether the store has an image."""
        return _works(*self._buildah, "inspect", "--type=image", reference)

    def add(self, archive: Path) -> None:
        """Bring an image into the store, under the name that its archive tells."""
        run(*self._buildah, "pull", "--quiet", f"docker-archive:{archive}")

    def build(self, recipe: Recipe, archive: Path) -> None:
        """Build an image, step by step from what has not changed, and write its archive."""
        settings = pip_settings.current()
        with tempfile.TemporaryDirectory() as folder:
            secret = Path(folder, "pip.conf")
            secret.write_text(pip_settings.as_file(settings))
            how = ["--isolation=chroot", "--layers", "--pull-never", f"--secret=id=pip,src={secret}"]
            how += [f"--volume={path}:{path}:ro" for path in pip_settings.files(settings)]
            how += [f"--build-arg={name}={value}" for name, value in recipe.arguments.items()]
            what = [f"--file={recipe.dockerfile}", f"--tag={recipe.reference}", str(recipe.dockerfile.parent)]
            said = subprocess.run(
                [*self._buildah, "build", *how, *what], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
            )  # fmt: skip
        if said.returncode:
            sys.stderr.buffer.write(said.stdout)
            raise ClusterError(f"buildah could not build {recipe.dockerfile.name} of {recipe.reference}")
        archive.unlink(missing_ok=True)
        run(*self._buildah, "push", "--quiet", recipe.reference, f"docker-archive:{archive}:{recipe.reference}")


def _prefix(driver: str) -> tuple[str, ...]:
    store = IMAGES / f"store-{driver}"
    return ("buildah", "--storage-driver", driver, "--root", str(store), "--runroot", str(store / "run"))


def _works(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
