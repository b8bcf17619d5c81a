"""A door before an API server, for one client alone: closed, it is away for that client and for nobody else."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import yaml

from cluster import Cluster


class Door:
    """Passes connections on while it is open; `kubeconfig` leads through it, as the administrator."""

    def __init__(self, there: Cluster) -> None:
        self._config: dict[str, Any] = yaml.safe_load(there.kubeconfig.read_text())
        [named] = self._config["clusters"]
        behind = urlsplit(named["cluster"]["server"])
        assert behind.hostname and behind.port
        self._behind = (behind.hostname, behind.port)
        self._name = behind.hostname
        self._port = 0
        self._listener: socket.socket | None = None
        self._through: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._directory = TemporaryDirectory()
        self.kubeconfig = Path(self._directory.name) / "kubeconfig"

    def __enter__(self) -> Door:
        self.open()
        [named] = self._config["clusters"]
        named["cluster"] |= {"server": f"https://127.0.0.1:{self._port}", "tls-server-name": self._name}
        self.kubeconfig.write_text(yaml.safe_dump(self._config))
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._directory.cleanup()

    def open(self) -> None:
        """Let everybody through, at the same port each time."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        self._begin(self._accept, self._listener)

    def close(self) -> None:
        """Let nobody through, and end whoever is."""
        if self._listener is None:
            return
        for each in (self._listener, *self._through):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join()
        self._listener, self._through, self._threads = None, [], []

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near = listener.accept()[0]
                far = socket.create_connection(self._behind)
                self._through += [near, far]
                self._begin(_pass_on, near, far)
                self._begin(_pass_on, far, near)

    def _begin(self, target: Any, *given: socket.socket) -> None:
        self._threads.append(threading.Thread(target=target, args=given, daemon=True))
        self._threads[-1].start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
