"""Kubernetes: one request helper (`api`), and the few calls Cairn makes with it (`cluster`)."""
