"""The REST API: who calls, what they sent, and how an answer or an error is told. Decisions are in `app` and `core`."""
