"""One exception for everything that keeps a cluster from running, so that the command line can print it plainly."""

from __future__ import annotations


class ClusterError(Exception):
    """The cluster cannot be started, stopped or used; the message says what to look at."""
