"""What a laboratory measures of the ends: collective spins, positions in cells, and the witnesses made of them.

`kernel` averages the likelihoods of a measured ensemble over its dephasing, `moments` holds means and covariances of
the collective spins, `linear_witnesses` criteria made of these, `modular_witness` one that also works at magic times.
May import `noise` and what is below it.
"""
