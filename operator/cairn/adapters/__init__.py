"""Adapters: what turns the protocols of `cairn.ports` into calls to real systems. None of them knows another."""
