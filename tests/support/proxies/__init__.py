"""Proxies between an operator and what it relies on: they name every write and commit, and may lie about any of them.

The operator under test is the one that ships: it has no hooks and knows nothing of them. What is done to it is done
from outside, at a point that its own requests make: a write that was received but not passed on, a write that was done
and whose answer never arrives, an event that comes twice or never.
"""
