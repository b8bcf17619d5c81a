"""The process of `support.nursery`: loads everything once, and becomes an operator as often as it is told to."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

import kubernetes.config  # noqa: F401 - what the operator loads only when it logs in

from cairn.cli.main import app


def _be(order: Mapping[str, Any]) -> None:
    """Become an operator."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(order["folder"])
    os.environ.update(order["environment"])
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(log, stream)
    app(["operator"], prog_name="cairn")


def _serve() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody here waits for them
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            try:
                _be(json.loads(line))
            finally:
                os._exit(1)
        print(pid, flush=True)


if __name__ == "__main__":
    _serve()
