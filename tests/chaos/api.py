"""The API server as the judge and the simulated user ask it: plainly, with a short patience, and not through Cairn."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import yaml

from support.kube import Object, Objects

SECONDS = 5.0  # of patience
_APIS = {
    "pods": "api/v1", "nodes": "api/v1", "jobs": "apis/batch/v1", "dagexecutions": "apis/cairn.dev/v1alpha1",
    "checkpoints": "apis/cairn.dev/v1alpha1", "jobresults": "apis/cairn.dev/v1alpha1",
}  # fmt: skip
_FEW = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_FEW_LISTED = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class Away(Exception):
    """The API server does not answer, or cannot do its work; whether it has done what was asked nobody knows."""


class Refused(Exception):
    """The API server says no."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class Api:
    """One namespace of one API server."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        context = _trusting(config)
        self.namespace = namespace
        self._http = httpx.Client(
            base_url=config["clusters"][0]["cluster"]["server"], verify=context, timeout=SECONDS, trust_env=False
        )  # fmt: skip

    def close(self) -> None:
        """Let go of its connections."""
        self._http.close()

    def list(self, kind: str) -> Objects:
        """All of a kind."""
        found: Objects = self._ask("GET", self._path(kind))["items"]
        return found

    def get(self, kind: str, name: str) -> Object:
        """One of them."""
        return self._ask("GET", self._path(kind, name))

    def create(self, kind: str, body: Object) -> Object:
        """Create one."""
        return self._ask("POST", self._path(kind), body)

    def patch(self, kind: str, name: str, patch: Object) -> Object:
        """Merge-patch one."""
        return self._ask("PATCH", self._path(kind, name), patch, {"Content-Type": "application/merge-patch+json"})

    def put_status(self, kind: str, name: str, body: Object) -> Object:
        """Replace the status of one."""
        return self._ask("PUT", f"{self._path(kind, name)}/status", body)

    def delete(self, kind: str, name: str) -> None:
        """Delete one."""
        self._ask("DELETE", self._path(kind, name), {"propagationPolicy": "Background"})

    def watch(self, kind: str, *, whole: bool) -> Iterator[tuple[str, Object]]:
        """What exists, then what comes, until the watch ends; `whole`, or only its metadata. Raises Away, Refused."""
        accept = {} if whole else {"Accept": _FEW_LISTED}
        listed = self._ask("GET", self._path(kind), headers=accept)
        yield from (("ADDED", found) for found in listed["items"] or ())
        since = {"watch": "1", "resourceVersion": listed["metadata"]["resourceVersion"], "timeoutSeconds": "300"}
        try:
            with self._http.stream("GET", self._path(kind), params=since, headers={} if whole else {"Accept": _FEW},
                                   timeout=httpx.Timeout(SECONDS, read=20)) as stream:  # fmt: skip
                for line in stream.iter_lines():
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        return
                    yield event["type"], event["object"]
        except httpx.ReadTimeout:
            return  # nothing has happened for a while, or it hangs: listing again tells
        except (httpx.HTTPError, json.JSONDecodeError) as error:
            raise Away(str(error)) from error

    def _path(self, kind: str, name: str = "") -> str:
        where = "" if kind == "nodes" else f"/namespaces/{self.namespace}"
        return f"/{_APIS[kind]}{where}/{kind}" + (f"/{name}" if name else "")

    def _ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Object:
        try:
            answer = self._http.request(method, path, json=body, headers=headers)
            found: Object = answer.json()
        except (httpx.HTTPError, json.JSONDecodeError) as error:
            raise Away(f"{method} {path}: {error!r}") from error
        if answer.status_code >= 500 or answer.status_code == 429:
            raise Away(f"{method} {path}: {found.get('message')}")
        if answer.status_code >= 400:
            raise Refused(answer.status_code, str(found.get("message")))
        return found


def _trusting(config: Object) -> ssl.SSLContext:
    """TLS with the authority and the certificate that a kubeconfig holds."""
    user = config["users"][0]["user"]
    authority = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "client.pem"
        file.touch(0o600)
        file.write_bytes(b"".join(base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key")))
        context.load_cert_chain(file)
    return context
