"""`make bench`: how fast Cairn is, beside scripts that do the same work without it, in one run on one cluster.

These machines are noisy, so what counts are ratios of figures taken side by side: every round runs each contender
once, and the medians of the rounds are compared.

`workloads` says what work is done, `scripts` does it without Cairn, `rounds` measures each run with `usage` (CPU,
memory) and `counters` (requests); `traces` looks into one more run (`hops`, `loop_probe`). `scale`, `known`, `pausing`
and `saving` measure one thing each; `planning`, `watchers` and `rows` are further curves of scale. `records` keeps what
was measured, raw; `results` makes figures of it, `report` and `plots` docs/performance.md. `older` runs the parts that
came before these.
"""
