"""The planner and the views, step by step: every interleaving of looks, events and crashes can be asked for."""
