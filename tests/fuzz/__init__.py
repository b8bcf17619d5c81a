"""Whatever parses what others wrote, fed with what nobody would write: `python -m fuzz`.

A target is a function that takes bytes and fails where a promise is broken: only the documented errors, nothing lost on
the way there and back, no hang. Rules:

1. Every input that was worth keeping lies in `corpus/<target>/`, one file each, and is tried at every run of the tests.
2. The tests try the same new ones each time; `make fuzz` looks further, and keeps what fails or reaches new code.
"""
