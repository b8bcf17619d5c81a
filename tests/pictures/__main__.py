"""Record the pictures: `make pictures`, or `python -m pictures` with verbs to keep only those."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cluster
from cluster import images, providers
from pictures.scenes import SCENES, Scene
from pictures.terminal import picture, shown
from support.api_process import ApiProcess
from support.operator_process import OperatorProcess
from support.postgres import PostgresServer

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "cli"


def main() -> None:
    """Start everything, record, stop everything."""
    wanted = set(sys.argv[1:]) or {scene.verb for scene in SCENES}
    there, server = cluster.start("real", "pictures"), PostgresServer().start()
    url, logs = server.migrated(), ROOT / "build" / "logs"
    operator = OperatorProcess(there.kubeconfig, logs / "pictures-operator.log", "*", DATABASE_URL=url)
    api = ApiProcess(there.kubeconfig, logs / "pictures-api.log", DATABASE_URL=url)
    try:
        providers.load_image(there, images.build("busybox"))
        there.kubectl.run("apply", "--server-side", "-f", str(ROOT / "crds"))
        there.kubectl.run("wait", "--for=condition=Established", "--timeout=30s", "-f", str(ROOT / "crds"))
        there.kubectl.run("create", "serviceaccount", "jane")
        there.kubectl.run("create", "clusterrolebinding", "jane", "--clusterrole=cluster-admin",
                          "--serviceaccount=default:jane")  # fmt: skip
        operator.start()
        api.start()
        environment = {
            "KUBECONFIG": str(there.kubeconfig), "DATABASE_URL": url, "CAIRN_HEALTH_PORT": "0",
            "CAIRN_API_URL": api.url, "CAIRN_API_TOKEN": there.kubectl.run("create", "token", "jane").strip(),
            "PATH": os.pathsep.join([str(there.bin), str(Path(sys.executable).parent), os.environ["PATH"]]),
        }
        for scene in SCENES:
            _record(scene, environment, keep=scene.verb in wanted)
    finally:
        api.stop()
        operator.stop()
        server.remove()
        cluster.stop(there)


def _record(scene: Scene, environment: dict[str, str], *, keep: bool) -> None:
    for command in scene.before:
        subprocess.run(["sh", "-c", command], env=os.environ | environment, cwd=ROOT, check=True, capture_output=True)
    command = scene.command
    if "CHECKPOINT" in command:
        command = command.replace("CHECKPOINT", _oldest(environment))
    screen, code = shown(["sh", "-c", f"exec {command}"], environment, interrupt_after=scene.looks)
    said = "\n".join(line.rstrip() for line in screen.display).rstrip()
    assert scene.looks is not None or code == scene.code, f"{command}: exit code {code}\n{said}"
    print(f"$ {command}\n{said}\n", flush=True)
    if keep:
        PICTURES.joinpath(f"{scene.verb}.svg").write_text(picture(command, screen, scene.verb), encoding="utf-8")


def _oldest(environment: dict[str, str]) -> str:
    command = ["kubectl", "get", "ckpt", "--sort-by=.status.checkpointId", "-o", "jsonpath={.items[0].metadata.name}"]
    given = os.environ | environment
    return subprocess.run(command, env=given, check=True, text=True, capture_output=True).stdout


if __name__ == "__main__":
    main()
