"""The API server as a user's tools talk to it, without the half second that a process for each call takes."""

from __future__ import annotations

import json
import ssl
import tempfile
from base64 import b64decode
from pathlib import Path
from typing import Any

import httpx
import yaml

Object = dict[str, Any]

CAIRN = "/apis/cairn.dev/v1alpha1"
MANAGER = "user"
_PATHS = {
    "dagexecutions": CAIRN, "checkpoints": CAIRN, "jobresults": CAIRN, "jobs": "/apis/batch/v1", "pods": "/api/v1",
}  # fmt: skip


class Refused(Exception):
    """The API server's no, in its words."""

    def __init__(self, answer: httpx.Response) -> None:
        self.code = answer.status_code
        told: Object = answer.json()
        super().__init__(told.get("message", ""))
        causes: list[Object] = (told.get("details") or {}).get("causes") or []
        self.fields = [cause.get("field", "") for cause in causes]


class Api:
    """One namespace, as the cluster's administrator."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        config: Object = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.kubeconfig = kubeconfig
        self.namespace = namespace
        self._http = httpx.Client(base_url=cluster["server"], verify=_trust(cluster, user), timeout=60)

    def _path(self, kind: str, name: str = "", sub: str = "") -> str:
        parts = (_PATHS[kind], "namespaces", self.namespace, kind, name, sub)
        return "/".join(part for part in parts if part)

    def _ask(self, method: str, path: str, *, content: str | None = None, form: str = "json", **query: str) -> Object:
        kind = {"json": "application/json", "apply": "application/apply-patch+yaml",
                "merge": "application/merge-patch+json"}[form]  # fmt: skip
        answer = self._http.request(method, path, params=query, headers={"Content-Type": kind}, content=content)
        if answer.is_error:
            raise Refused(answer)
        found: Object = answer.json()
        return found

    def create(self, kind: str, body: Object) -> Object:
        """POST it, with every field checked, as kubectl does."""
        path = self._path(kind)
        return self._ask("POST", path, content=json.dumps(body), fieldManager=MANAGER, fieldValidation="Strict")

    def apply(self, kind: str, body: Object) -> Object:
        """Server-side apply."""
        path, text = self._path(kind, body["metadata"]["name"]), json.dumps(body)
        checks = {"fieldManager": MANAGER, "force": "true", "fieldValidation": "Strict"}
        return self._ask("PATCH", path, content=text, form="apply", **checks)

    def merge(self, kind: str, name: str, patch: Object, sub: str = "") -> Object:
        """A merge patch, of the object or of a subresource."""
        path, text = self._path(kind, name, sub), json.dumps(patch)
        return self._ask("PATCH", path, content=text, form="merge", fieldManager=MANAGER, fieldValidation="Strict")

    def replace_status(self, kind: str, name: str, status: Object) -> None:
        """Put a status in the place of whatever is there."""
        strict = {"fieldManager": MANAGER, "fieldValidation": "Strict"}
        while True:
            body = self.get(kind, name) | {"status": status}
            try:
                self._ask("PUT", self._path(kind, name, "status"), content=json.dumps(body), **strict)
            except Refused as error:
                if error.code != 409:  # the operator was faster: once more
                    raise
            else:
                return

    def get(self, kind: str, name: str) -> Object:
        """The object as it is."""
        return self._ask("GET", self._path(kind, name))

    def list(self, kind: str, selector: str = "") -> list[Object]:
        """The objects of a kind."""
        found: list[Object] = self._ask("GET", self._path(kind), labelSelector=selector)["items"]
        return found

    def delete(self, kind: str, name: str) -> None:
        """Away with it and what it owns."""
        self._ask("DELETE", self._path(kind, name), propagationPolicy="Background")

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()


def _trust(cluster: Object, user: Object) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=_text(cluster, "certificate-authority"))
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as pair:  # ssl takes them as files only
        pair.write(_text(user, "client-certificate") + "\n" + _text(user, "client-key"))
        pair.flush()
        context.load_cert_chain(pair.name)
    return context


def _text(of: Object, key: str) -> str:
    data = of.get(f"{key}-data")
    return b64decode(data).decode() if data else Path(of[key]).read_text()
