"""Objects mutated from their schemas, wrong ones too, in sequences, against a real operator: `python -m mutations`.

After Acto (SOSP'23): every field of every CRD gets values that its schema allows, values that mean nothing, and values
that the schema refuses, before the execution starts, while it is paused, while it runs and after it has finished.
Rules, checked after each mutation:

1. Refused by the API server: it says where, and nothing has changed.
2. Taken: the operator answers (`observedGeneration` catches up), and its answer is the one that a fresh object with
   the same spec gets. What had started stays as it was.
3. The operator is the same process, and a healthy execution beside it runs to its end.
4. A mended object goes on to its end.
"""
