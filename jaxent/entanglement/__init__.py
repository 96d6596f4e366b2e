"""Compute measures of bipartite entanglement, in bits.

`measures` is public, `states` checks and normalizes their arguments, `renyi` has the Rényi entropies of any order α,
`continuity` bounds the change of an entropy between nearby states.

Imports `numerics`, `spectral.py`, and the modules that these may import.
"""

from jaxent.entanglement.measures import (
    coherent_information,
    entanglement_entropy,
    entropy_difference,
    log_negativity,
    negativity,
    normalized_entropy,
    purity,
    renyi_entropy,
    schmidt_coefficients,
    shannon_entropy,
    state_fidelity,
    state_log_negativity,
    state_negativity,
    state_renyi_entropy,
    von_neumann_entropy,
)

__all__ = [
    "coherent_information",
    "entanglement_entropy",
    "entropy_difference",
    "log_negativity",
    "negativity",
    "normalized_entropy",
    "purity",
    "renyi_entropy",
    "schmidt_coefficients",
    "shannon_entropy",
    "state_fidelity",
    "state_log_negativity",
    "state_negativity",
    "state_renyi_entropy",
    "von_neumann_entropy",
]
