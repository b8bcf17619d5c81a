"""A certificate authority per cluster, and the kubeconfigs signed by it; made once, so that restarts change nothing.

The openssl program does the work: it is on every machine, and a cryptography library would only be needed for this.
"""

from __future__ import annotations

import base64
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

_DAYS = "3650"


@dataclass(frozen=True)
class Client:
    """Who connects, and the groups that decide what it may do."""

    name: str
    user: str
    group: str = ""


def _openssl(*arguments: str, stdin: str = "") -> None:
    subprocess.run(["openssl", *arguments], input=stdin, text=True, check=True, capture_output=True)


class Authority:
    """A certificate authority in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def certificate(self) -> Path:
        return self.directory / "ca.crt"

    @property
    def service_account_key(self) -> Path:
        return self.directory / "service-account.key"

    def create(self) -> None:
        """Make the authority and the key that signs service account tokens, unless they exist."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.service_account_key.exists():
            _openssl("genrsa", "-out", str(self.service_account_key), "2048")
        if self.certificate.exists():
            return
        key = self._new_key("ca")
        extensions = ["-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"]
        subject = ["-subj", "/CN=cairn-test-ca", "-days", _DAYS]
        _openssl("req", "-x509", "-new", "-key", str(key), *subject, *extensions, "-out", str(self.certificate))

    def server(self, name: str, addresses: list[str]) -> tuple[Path, Path]:
        """Certificate and key of a server, for IP addresses and DNS names."""
        alternatives = ",".join(f"{_kind(address)}:{address}" for address in addresses)
        return self._issue(name, f"/CN={name}", f"extendedKeyUsage=serverAuth\nsubjectAltName={alternatives}\n")

    def client(self, client: Client) -> tuple[Path, Path]:
        """Certificate and key of a client."""
        organisation = f"/O={client.group}" if client.group else ""
        return self._issue(client.name, f"{organisation}/CN={client.user}", "extendedKeyUsage=clientAuth\n")

    def kubeconfig(self, client: Client, server: str, path: Path) -> Path:
        """A kubeconfig that needs no other file."""
        certificate, key = self.client(client)
        cluster = {"server": server, "certificate-authority-data": _encoded(self.certificate)}
        user = {"client-certificate-data": _encoded(certificate), "client-key-data": _encoded(key)}
        name = client.name
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f"{path.name}.new")
        scratch.touch(mode=0o600)
        scratch.write_text(yaml.safe_dump(config, sort_keys=False))
        return scratch.replace(path)

    def _new_key(self, name: str) -> Path:
        key = self.directory / f"{name}.key"
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key))
        key.chmod(0o600)
        return key

    def _issue(self, name: str, subject: str, extensions: str) -> tuple[Path, Path]:
        certificate, key = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        if certificate.exists():
            return certificate, key
        self._new_key(name)
        request, config = self.directory / f"{name}.csr", self.directory / f"{name}.ext"
        config.write_text(f"basicConstraints=CA:FALSE\nkeyUsage=digitalSignature,keyEncipherment\n{extensions}")
        _openssl("req", "-new", "-key", str(key), "-subj", subject, "-out", str(request))
        authority = ["-CA", str(self.certificate), "-CAkey", str(self.directory / "ca.key"), "-CAcreateserial"]
        # Complete or not there: whoever finds it later takes it as it is.
        scratch = certificate.with_suffix(".new")
        options = ["-days", _DAYS, "-extfile", str(config), "-out", str(scratch)]
        _openssl("x509", "-req", "-in", str(request), *authority, *options)
        return scratch.replace(certificate), key


def _kind(address: str) -> str:
    return "IP" if address.replace(".", "").isdecimal() else "DNS"


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
