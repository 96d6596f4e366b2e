"""The protocol without noise: the two ends after the inner ensembles are measured (Section II).

`ends` is public and checks; `dispatch` chooses dense matrices or the band engine, and is the one place that does;
`dense` computes from the matrix of `matrix_product`, `extended_precision` where that cancels; `window_error` proves
what a window of Dicke states costs; `curve` draws E(t) of any number of atoms at once, between `turn_fractions`.

Imports `jaxent.band`, `jaxent.chain`, and what these may.
"""
