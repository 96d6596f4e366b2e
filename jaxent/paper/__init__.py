"""The paper's figures and claims, computed anew: `registry` lists them, `section_four`, `section_five` hold the data.

`claims_four` and `claims_five` compare sentences of the paper with numbers; `large_n` and `best_offsets` go beyond it.
A skin: it uses public names only, and nothing but `jaxent.cli` imports it.
"""
