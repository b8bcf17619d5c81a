"""Build the images that `images/<name>/image.yaml` describes, where no registry can be reached and no engine runs.

An image is a base (a static busybox, or a Debian root made by mmdebstrap), then what requirements.txt pins with hashes,
then files of the checkout. Each of the three is a layer with a cache of its own in build/images. Keys of image.yaml:

    reference                    the name, with `localhost/` in front: nothing then looks for a registry
    base                         {busybox: true} | {debian: <suite>, packages: [...]}
    requirements, python         a pip file beside image.yaml, and the version of Python that the base brings
    copy                         [{from: <path in the checkout>, to: <absolute path>}]
    user, entrypoint, command, environment, directory

or, for an image that people build with Docker, too (its Dockerfile tells the rest):

    reference                    as above
    dockerfile                   a path in the checkout; its folder is the context
    bases                        a base, as above, for each ARG that names one
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from cluster import archive, packages, pip_settings
from cluster.dockerfiles import Builder, Recipe
from cluster.errors import ClusterError
from cluster.layout import CHECKOUT, IMAGES, SOURCES, locked

DESCRIPTIONS = SOURCES / "images"
_FORMAT = "1"
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
_ACCOUNTS = {"root": 0, "cairn": 65532, "nobody": 65534, "pause": 65535}


@dataclass(frozen=True)
class Description:
    """One image.yaml."""

    name: str
    raw: dict[str, Any]
    directory: Path

    @property
    def reference(self) -> str:
        return str(self.raw["reference"])

    @property
    def recipe(self) -> Recipe | None:
        """How buildah builds it, if a Dockerfile describes it; the bases are arguments, by the names in its store."""
        if "dockerfile" not in self.raw:
            return None
        bases = {argument: f"localhost/base:{_key(json.dumps(base))}" for argument, base in self.raw["bases"].items()}
        return Recipe(CHECKOUT / self.raw["dockerfile"], self.reference, bases)

    @property
    def settings(self) -> archive.Settings:
        names = ("user", "entrypoint", "command", "environment", "directory")
        return archive.Settings(**{name: self.raw[name] for name in names if name in self.raw})

    @property
    def copies(self) -> list[tuple[Path, str]]:
        return [(CHECKOUT / each["from"], str(each["to"]).strip("/")) for each in self.raw.get("copy", [])]

    @property
    def requirements(self) -> Path | None:
        name = self.raw.get("requirements")
        return None if name is None else self.directory / name


def load(name: str) -> Description:
    """Read the description of the image called `name`."""
    path = DESCRIPTIONS / name / "image.yaml"
    if not path.is_file():
        known = ", ".join(sorted(each.parent.name for each in DESCRIPTIONS.glob("*/image.yaml")))
        raise ClusterError(f"no image {name!r}; there are {known}")
    return Description(name, yaml.safe_load(path.read_text()), path.parent)


def build(name: str) -> Path:
    """Build an image, unless it is current; returns its archive."""
    image = load(name)
    IMAGES.mkdir(parents=True, exist_ok=True)
    with locked("images"):
        return _assembled(image) if image.recipe is None else _built(image, image.recipe)


def _assembled(image: Description) -> Path:
    layers = list(_layers(image))
    key = _key(_FORMAT, image.reference, json.dumps(image.settings.as_config()), *(path.name for path in layers))
    return _newest(image, key, lambda path: archive.write(path, image.reference, layers, image.settings))


def _built(image: Description, recipe: Recipe) -> Path:
    complete = replace(recipe, arguments={**recipe.arguments, "COMMIT": recipe.commit()})
    contents = (hashlib.sha256(path.read_bytes()).hexdigest() for path in recipe.inputs)
    names = (str(path.relative_to(recipe.dockerfile.parent)) for path in recipe.inputs)

    def make(path: Path) -> None:
        builder = Builder()
        for argument, reference in recipe.arguments.items():
            if not builder.has(reference):
                _import_base(builder, reference, image.raw["bases"][argument])
        builder.build(complete, path)

    return _newest(image, _key(image.reference, json.dumps(complete.arguments), *names, *contents), make)


def _import_base(builder: Builder, reference: str, base: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory(dir=IMAGES) as scratch:
        root, whole = Path(scratch, "root.tar"), Path(scratch, "image.tar")
        _debian(base, root)
        archive.write(whole, reference, [root], archive.Settings())
        builder.add(whole)


def _newest(image: Description, key: str, make: Callable[[Path], None]) -> Path:
    """The archive of this key; made if there is none, and then the only one."""
    path = IMAGES / f"{image.name}-{key}.tar"
    if not path.exists():
        scratch = path.with_name(f"new-{path.name}")
        make(scratch)
        scratch.replace(path)
        for old in IMAGES.glob(f"{image.name}-{'[0-9a-f]' * len(key)}.tar"):
            if old != path:
                old.unlink()
                old.with_suffix(".cdx.json").unlink(missing_ok=True)
    return path


def _layers(image: Description) -> Iterator[Path]:
    base = image.raw["base"]
    if "busybox" in base:
        packages.ensure(("busybox-static",))
        busybox = Path(shutil.which("busybox") or "busybox")
        yield _cached("busybox", _key(busybox.read_bytes().hex()), lambda path: _busybox(busybox, path))
    else:
        yield _cached("debian", _key(json.dumps(base)), lambda path: _debian(base, path))
    if image.requirements is not None:
        requirements, python = image.requirements, str(image.raw["python"])
        key = _key(requirements.read_text(), python)
        yield _cached("requirements", key, lambda path: _requirements(requirements, python, path))
    if image.copies:
        yield _cached(f"copy-{image.name}", _key(*_contents(image.copies)), lambda path: _copy(image.copies, path))


def _cached(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    path = IMAGES / "layers" / f"{kind}-{key}.tar"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f"new-{path.name}")
        make(scratch)
        scratch.replace(path)
    return path


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join((_FORMAT, *parts)).encode()).hexdigest()[:16]


def _busybox(binary: Path, path: Path) -> None:
    listed = subprocess.run([str(binary), "--list"], text=True, capture_output=True, check=True).stdout.split()
    with archive.Layer(path) as layer:
        layer.file("bin/busybox", binary)
        for applet in sorted(set(listed) - {"busybox"}):
            layer.link(f"bin/{applet}", "busybox")
        # Scripts and libraries ask for these by their full names.
        layer.link("usr/bin", "../bin")
        layer.text("etc/passwd", "".join(f"{name}:x:{uid}:{uid}::/tmp:/bin/sh\n" for name, uid in _ACCOUNTS.items()))
        layer.text("etc/group", "".join(f"{name}:x:{uid}:\n" for name, uid in _ACCOUNTS.items()))
        layer.directory("tmp", 0o1777)


def _debian(base: dict[str, Any], path: Path) -> None:
    packages.ensure(packages.DEBIAN_IMAGES)
    left_out = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
    options = ["--variant=minbase", "--format=tar", f"--include={','.join(base['packages'])}"]
    options += [f"--dpkgopt=path-exclude={pattern}" for pattern in left_out]
    command = ["mmdebstrap", "--quiet", *options, str(base["debian"]), str(path)]
    result = subprocess.run(command, stdout=sys.stderr, check=False)
    if result.returncode:
        raise ClusterError(f"mmdebstrap failed for {base}")


def _requirements(requirements: Path, python: str, path: Path) -> None:
    interpreter = pip_settings.interpreter()
    with tempfile.TemporaryDirectory() as scratch:
        where = ["--target", scratch, "--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
        platforms = [f"--platform={platform}" for platform in _PLATFORMS]
        what = ["--no-compile", "--no-deps", "--require-hashes", "--requirement", str(requirements)]
        command = [interpreter, "-m", "pip", "install", "--quiet", *where, *platforms, *what]
        if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
            raise ClusterError(f"pip could not install {requirements}")
        if python == f"{sys.version_info.major}.{sys.version_info.minor}":  # else it would be of no use in the image
            _compile(interpreter, Path(scratch))
        with archive.Layer(path) as layer:
            # On the module path of Debian's Python, so that no virtual environment is needed.
            layer.tree(f"usr/local/lib/python{python}/dist-packages", Path(scratch))


def _compile(interpreter: str, packages_dir: Path) -> None:
    """Compile modules so that they stay valid in a layer: by default they record times, and a layer has none."""
    command = [interpreter, "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", str(packages_dir)]
    subprocess.run(command, stdout=sys.stderr, check=False)  # some packages carry files for other versions of Python


def _copy(copies: list[tuple[Path, str]], path: Path) -> None:
    with archive.Layer(path) as layer:
        for source, target in copies:
            layer.tree(target, source)


def _contents(copies: list[tuple[Path, str]]) -> Iterator[str]:
    for source, target in copies:
        for path in sorted([source, *source.rglob("*")]):
            if path.is_file():
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                yield f"{target} {path.relative_to(source)} {digest}"
