"""Compute the figures and claims of the paper: `registry` lists them, `section_four`, `section_five` hold the data.

`claims_four` and `claims_five` compare sentences of the paper with numbers; `large_n` and `best_offsets` go beyond it.
It uses public names only, and only `jaxent.cli` imports it.
"""
