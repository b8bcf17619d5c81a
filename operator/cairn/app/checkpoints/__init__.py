"""Checkpoints at work: taken beside the loop (`keeper`), followed by their rows (`outbox`), put right (`sweeper`)."""
