"""The pure core: every decision Cairn takes, as functions from data to data.

Nothing here awaits, reads a clock, draws a random number, logs, or knows Kopf. Time and ids come in as arguments, so
that every decision can be replayed in a table test, a property test or a simulated history.
"""
