"""`make chaos` and `make outages`: run, say what came of it, write it beside the docs, and leave nothing running."""

from __future__ import annotations

import argparse
import sys
import time

from chaos import memory, outage_report, outages, report, run
from support import reliability
from support.signals import sigterm_is_ctrl_c


def _chaos(arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    story = run.run(arguments.minutes, arguments.seed)
    print(report.lines(story))
    if arguments.save:
        print(reliability.save(report.part(story), seconds=time.monotonic() - began))
    return 1 if story.findings else 0


def _outages(arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    measured = outages.run(arguments.times)
    if arguments.save:  # already now: what follows takes long
        reliability.save(outage_report.part(measured), seconds=time.monotonic() - began)
    found = memory.run()
    made = outage_report.part(measured, found)
    for table in made.tables:
        print(table.title, *("  ".join(map(str, row)) for row in table.rows), sep="\n  ")
    if arguments.save:
        print(reliability.save(made, seconds=time.monotonic() - began))
    findings = [*measured.findings, *found.findings]
    print("Findings:", *(findings or ["none"]), sep="\n  ")
    return 1 if findings else 0


def main() -> int:
    """Run what is asked for; SIGTERM ends it as Ctrl-C does: with everything stopped."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    commands = parser.add_subparsers(required=True)
    chaos = commands.add_parser("run", help="everything at random")
    chaos.add_argument("--minutes", type=float, default=30)
    chaos.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    chaos.add_argument("--no-save", dest="save", action="store_false", help="write nothing beside the docs")
    chaos.set_defaults(run=_chaos)
    single = commands.add_parser("outages", help="one at a time, and 10,000 objects")
    single.add_argument("--times", type=int, default=outages.TIMES, help="how often each")
    single.add_argument("--no-save", dest="save", action="store_false", help="write nothing beside the docs")
    single.set_defaults(run=_outages)
    sigterm_is_ctrl_c()
    arguments = parser.parse_args()
    try:
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        print("stopped early: nothing is written", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
