"""Pictures of the command line for the documentation: every verb, run on a cluster, as its terminal shows it.

`make pictures` records them anew. A test sees that each verb has one, and that it was recorded of the command that its
page shows.
"""
