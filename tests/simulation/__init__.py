"""A small deterministic Kubernetes, in which whole histories of an execution are played through the planner."""
