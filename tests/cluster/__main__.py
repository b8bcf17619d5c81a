"""The command line: `python -m cluster COMMAND`, with tests/ on the path."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from cluster import binaries, images, local, packages, providers, sbom, volumes
from cluster.errors import ClusterError
from cluster.layout import Layout
from cluster.state import State


def _up(arguments: argparse.Namespace) -> None:
    print(providers.start(arguments.nodes, arguments.name).kubeconfig)


def _down(arguments: argparse.Namespace) -> None:
    for name in local.names() if arguments.all else [arguments.name or arguments.nodes]:
        providers.stop(name)


def _status(arguments: argparse.Namespace) -> None:
    for name in [arguments.name] if arguments.name else local.names():
        if State.load(Layout.of(name)) is None:
            print(f"{name}: not running")
            continue
        cluster = providers.find(name)
        print(f"{name}: {cluster.provider}, {cluster.nodes} nodes, {cluster.kubeconfig}")
        if cluster.provider == local.PROVIDER:
            for part, state in local.status(name).items():
                print(f"  {part:<24} {state}")


def _kubeconfig(arguments: argparse.Namespace) -> None:
    print(providers.find(arguments.name).kubeconfig)


def _logs(arguments: argparse.Namespace) -> None:
    layout = Layout.of(arguments.name)
    logs = layout.logs if layout.logs.is_dir() else layout.kept_logs
    if arguments.part is None:
        print("\n".join(str(path) for path in sorted(logs.glob("*.log"))))
    else:
        print((logs / f"{arguments.part}.log").read_text(errors="replace"), end="")


def _build(arguments: argparse.Namespace) -> None:
    built = binaries.build(arguments.nodes)
    print(f"built {', '.join(built)}" if built else "everything is current")


def _image(arguments: argparse.Namespace) -> None:
    archive = images.build(arguments.image)
    print(f"what it contains: {sbom.write(archive)}", file=sys.stderr)
    if not arguments.only_build:
        providers.load_image(providers.find(arguments.name), archive)
    print(archive)


def _sbom(arguments: argparse.Namespace) -> None:
    print(sbom.write(arguments.archive))


def _renew(arguments: argparse.Namespace) -> None:
    print("\n".join(volumes.renew(providers.find(arguments.name))) or "no volume has lost its claim")


def _doctor(arguments: argparse.Namespace) -> None:
    print(f"provider: {providers.select(os.environ)}")
    for tool in binaries.tools_for(arguments.nodes):
        print(f"{tool}: {'current' if binaries.is_current(binaries.TOOLS[tool]) else 'to be built'}")
    if arguments.nodes != "fake":
        wanted = (*packages.NODE, *packages.DEBIAN_IMAGES, *packages.BUILD)
        installed = packages.ensure(wanted)
        print(f"packages: {'installed ' + ' '.join(installed) if installed else 'all there'}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cluster", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(run: Callable[[argparse.Namespace], None], help_text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(run.__name__.removeprefix("_"), help=help_text)
        added.set_defaults(run=run)
        return added

    for added in (
        command(_up, "start a cluster, or reuse the running one; prints its kubeconfig"),
        command(_down, "stop a cluster and remove its traces; its logs stay in build/logs"),
    ):
        added.add_argument("--nodes", choices=["fake", "real"], default="fake")
        added.add_argument("--name", help="default: what --nodes says")
        if added.get_default("run") is _down:
            added.add_argument("--all", action="store_true", help="every cluster of this checkout")
    command(_status, "what runs").add_argument("--name")
    command(_kubeconfig, "the path of a cluster's kubeconfig").add_argument("--name", default="fake")
    logs = command(_logs, "the paths of a cluster's logs, or one part's log")
    logs.add_argument("--name", default="fake")
    logs.add_argument("part", nargs="?")
    build = command(_build, "build the programs that are not current, and start nothing")
    build.add_argument("--nodes", choices=["fake", "real", "all", *binaries.TOOLS], default="all", metavar="WHAT",
                       help="fake, real, all, or the name of one program")  # fmt: skip
    image = command(_image, "build an image of images/ and import it into a real node")
    image.add_argument("image", metavar="IMAGE")
    image.add_argument("--name", default="real", help="the cluster")
    image.add_argument("--only-build", action="store_true", help="leave the archive in build/images")
    listed = command(_sbom, "say what an image contains, beside its archive, as CycloneDX")
    listed.add_argument("archive", metavar="ARCHIVE", type=Path)
    renew = command(_renew, "empty the volumes whose claims are gone, and offer them again")
    renew.add_argument("--name", default="real", help="the cluster")
    doctor = command(_doctor, "say what is missing; for a real node, install missing packages")
    doctor.add_argument("--nodes", choices=["fake", "real"], default="fake")
    return parser


def main() -> int:
    """Run one command; a cluster's own errors are said plainly, anything else is a bug and shows its trace."""
    arguments = _parser().parse_args()
    try:
        arguments.run(arguments)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
