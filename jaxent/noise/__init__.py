"""Compute the protocol with noise: dephasing (29) in closed form, and the general master equation.

`dephasing` is public and checks its arguments; `density_matrix` computes one case, from the kernel of
`measured_ensemble`, in the blocks of `pair_symmetry`; `log_negativity` chooses between these and `jaxent.bloch`, for a
tolerance; `modular` has the coherent information of magic times at any number of atoms, `residues` that of any number
of ensembles; `coherence_sum` computes the probability of an outcome at any number of atoms; `stochastic` estimates
where dense matrices do not fit, with `transpose_stencil` at up to millions of atoms; `master_equation` integrates (29)
with drives and jumps.

Imports `jaxent.bloch`, and the modules that it may import.
"""
