"""The process of `support.nursery`: loads everything once, and becomes an operator as often as it is told to."""

from __future__ import annotations

import json
import os
import select
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
    handles: list[int] = []
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            try:
                _be(json.loads(line))
            finally:
                os._exit(1)
        handles = [os.pidfd_open(pid), *(each for each in handles if _runs(each))]
        print(pid, flush=True)
    for handle in filter(_runs, handles):  # whoever wanted them is gone
        signal.pidfd_send_signal(handle, signal.SIGKILL)


def _runs(handle: int) -> bool:
    if not select.select([handle], [], [], 0)[0]:
        return True
    os.close(handle)
    return False


if __name__ == "__main__":
    _serve()
