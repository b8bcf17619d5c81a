"""Runs that try to break Cairn on real parts, and write down what came of it for docs/reliability.md."""
