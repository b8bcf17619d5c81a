"""Outages: faults of everything that Cairn stands on, one at a time and measured, or all at random (`make chaos`).

Rules: a fault touches only what the run itself has started; its end mends what its begin broke; nothing here asks the
operator whether it is well. What came of it is judged from what the API server and the database hold.
"""
