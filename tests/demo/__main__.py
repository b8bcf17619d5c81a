"""The command line: `python -m demo` runs the demo, `python -m demo down` removes what it has left running."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from types import FrameType

from cluster import ClusterError, providers
from demo import steps
from demo.errors import DemoError
from demo.screens import Screen, screen

_INTERRUPTED = 130


def _up(shown: Screen) -> int:
    try:
        steps.run(shown)
    except KeyboardInterrupt:
        shown.say("\nInterrupted. What runs keeps running: `make demo` begins anew, `make demo-down` removes it.")
        return _INTERRUPTED
    except (DemoError, ClusterError) as error:
        shown.heading("The demo has failed")
        shown.say(str(error))
        shown.say("Logs of the cluster: python -m cluster logs --name demo")
        return 1
    return 0


def _down(shown: Screen) -> int:
    try:
        providers.stop(steps.CLUSTER)
    except ClusterError as error:
        shown.say(f"error: {error}")
        return 1
    shown.say("The cluster is gone, and all that ran in it; its logs are in build/logs/demo.")
    return 0


def _terminate(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt  # so that what was started for the moment is stopped, as after Ctrl-C


def main() -> int:
    """Run a command; its exit code."""
    commands: dict[str, Callable[[Screen], int]] = {"up": _up, "down": _down}
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("command", choices=[*commands], nargs="?", default="up")
    signal.signal(signal.SIGTERM, _terminate)
    return commands[parser.parse_args().command](screen())


if __name__ == "__main__":
    sys.exit(main())
