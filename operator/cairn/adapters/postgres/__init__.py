"""Postgres: checkpoints as rows (`store`), reached through one pool (`pool`), in tables that `migrate` keeps."""
