"""What verbs show, as Rich renderables: no IO, no clock. Without a terminal they are plain text, and lose nothing."""
