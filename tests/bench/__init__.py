"""`make bench`: how fast Cairn is, beside scripts that do the same work without it, in one run on one cluster.

These machines are noisy, so what counts are ratios of figures taken side by side: every round runs each contender
once, and the medians of the rounds are compared.
"""
