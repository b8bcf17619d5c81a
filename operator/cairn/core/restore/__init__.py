"""Going back to a checkpoint: the plan, what it makes of the records, and what the status remembers of it."""
