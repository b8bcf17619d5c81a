"""The demo's part on checkpoints: they appear, Postgres goes and comes back, and the row is read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from demo.errors import DemoError
from demo.installation import Installation
from demo.screens import Screen
from demo.shell import Shell

WANTED = frozenset({"manual", "level-completed", "before-critical"})


def show(shell: Shell) -> None:
    """The checkpoints so far."""
    shell.run("kubectl cairn checkpoints")


def of_the_pause(screen: Screen, shell: Shell, name: str) -> None:
    """The pause has saved the state it left."""
    shell.run(f"kubectl wait dagx/{name} --for=jsonpath='{{.status.checkpointing.last.trigger}}'=manual --timeout=60s")
    screen.say("What was saved until now; the newest one is the pause's:")
    show(shell)


def without_database(screen: Screen, cairn: Installation) -> None:
    """Postgres stops, in the middle of the run."""
    screen.heading("Postgres goes away")
    cairn.stop_database()
    screen.say("The database has no pod. The run goes on without it, and its checkpoints stay in their objects.")


def caught_up(screen: Screen, shell: Shell, cairn: Installation) -> None:
    """Postgres starts again, and what has waited is carried over."""
    screen.heading("Postgres comes back")
    screen.say("The run is over. Not all of its checkpoints are stored in the database:")
    show(shell)
    waiting = [name for name, stored in _stored(shell).items() if not stored]
    if not waiting:
        raise DemoError("No checkpoint was taken while Postgres was away.")
    shell.run(
        f"kubectl get ckpt {waiting[-1]} -o jsonpath='{{.status.conditions[?(@.type==\"Stored\")].message}}{{\"\\n\"}}'"
    )
    cairn.start_database()
    shell.run("kubectl wait --for=condition=Stored ckpt --all --timeout=90s")
    show(shell)


def read_back(screen: Screen, shell: Shell, cairn: Installation) -> None:
    """The rows, as the database has them, against the objects."""
    screen.say("The same as rows, and what one of them says of each job:")
    columns = "id, trigger, name, job_count AS jobs, size_bytes AS bytes, left(digest, 12) AS digest"
    shell.run(cairn.sql(f"SELECT {columns} FROM workflow_checkpoints ORDER BY id"))
    job = "job->>'id' AS job, job->>'status' AS status, job->>'attempt' AS attempt, left(job->>'result', 12) AS outputs"
    newest = "(SELECT state FROM workflow_checkpoints ORDER BY id DESC LIMIT 1)"
    shell.run(cairn.sql(f"SELECT {job} FROM jsonb_array_elements({newest}->'jobs') job"))
    rows = shell.read(cairn.sql("SELECT id, digest FROM workflow_checkpoints", "-At --field-separator ' '"))
    kept = dict(line.split() for line in rows.splitlines())
    if broken := list(_broken(_checkpoints(shell), kept)):
        raise DemoError("Not as it should be:\n" + "\n".join(f"- {each}" for each in broken))
    screen.say("And as a program reads them, from the REST API:")
    url = '"$CAIRN_API_URL/api/training/dag/checkpoints/list?trigger=manual"'
    shell.run(f'curl --silent --fail --header "Authorization: Bearer $CAIRN_API_TOKEN" {url}')
    screen.say("Checked: every checkpoint is in both stores, with the same digest, and each names the one before it.")


def _broken(objects: Sequence[Mapping[str, Any]], rows: Mapping[str, str]) -> Iterator[str]:
    """What must hold for the demo to have shown what it says."""
    kept = {c["status"]["checkpointId"]: c["status"]["digest"] for c in objects}
    if kept != rows:
        yield f"the objects hold {sorted(kept)}, the rows {sorted(rows)}, or their digests differ"
    if missing := WANTED - {c["spec"]["trigger"] for c in objects}:
        yield f"no checkpoint of the triggers {sorted(missing)}"
    parents = [c["status"]["parent"] for c in objects if "parent" in c["status"]]
    if len(parents) != len(objects) - 1 or any(kept.get(p["checkpointId"]) != p["digest"] for p in parents):
        yield "the checkpoints are no chain"


def _stored(shell: Shell) -> dict[str, bool]:
    return {
        c["metadata"]["name"]: any(x["type"] == "Stored" and x["status"] == "True" for x in c["status"]["conditions"])
        for c in _checkpoints(shell)
    }


def _checkpoints(shell: Shell) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(shell.read("kubectl get ckpt -o json"))["items"]
    return sorted(found, key=lambda c: str(c["status"]["checkpointId"]))
