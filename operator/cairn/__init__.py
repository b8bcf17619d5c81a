"""Cairn: DAG workflows on Kubernetes whose state can be saved, inspected, compared and restored at any moment."""
