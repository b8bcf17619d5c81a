"""Kopf: watching, and nothing else. All decorators are in `main`; no handler decides anything."""
