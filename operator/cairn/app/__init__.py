"""Use cases: the one loop that observes, plans and applies, and what it needs around it."""
