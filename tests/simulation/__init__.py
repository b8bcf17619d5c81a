"""Simulated histories of Cairn, and the invariants of the design that hold in each of them.

- `steps`: the planner and the views alone, driven step by step; hypothesis shrinks what it finds to the single step.
- the rest: the whole operator, as it ships, on a simulated API server, database and clock; `python -m simulation`.
"""
