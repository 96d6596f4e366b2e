"""Measures of bipartite entanglement, in bits.

`measures` are public, `states` checks and normalizes what they are given, `renyi` has the orders α,
`continuity` bounds what a nearby state has.

Imports `numerics`, `spectral.py`, and what these may.
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
