"""The demo: a real cluster, real containers, a pause half way, and a check of everything that it claims.

Rules: a command that is shown is a command that was run, as it is shown; what the demo says has been checked against
the cluster before; it leaves the cluster running, and only `down` removes it.
"""
