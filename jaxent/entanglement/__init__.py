"""Compute measures of bipartite entanglement, in bits.

`measures` is public, `states` checks and normalizes their arguments, `renyi` has the Rényi entropies of any order α,
`continuity` bounds the change of an entropy between nearby states.

Imports `numerics`, `spectral.py`, and the modules that these may import.
"""

from typing import Any

from jaxent.deprecation import warn_of_new_name
from jaxent.entanglement.measures import (
    coherent_information,
    entanglement_entropy,
    entropy_difference,
    log_negativity,
    log_negativity_dm,
    negativity,
    normalized_entropy,
    purity,
    renyi_entropy,
    schmidt_coefficients,
    shannon_entropy,
    state_fidelity,
    state_negativity,
    state_renyi_entropy,
    von_neumann_entropy,
)

__all__ = [
    "coherent_information",
    "entanglement_entropy",
    "entropy_difference",
    "log_negativity",
    "log_negativity_dm",
    "negativity",
    "normalized_entropy",
    "purity",
    "renyi_entropy",
    "schmidt_coefficients",
    "shannon_entropy",
    "state_fidelity",
    "state_negativity",
    "state_renyi_entropy",
    "von_neumann_entropy",
]


def __getattr__(name: str) -> Any:
    """Answer an old name with the function under its new one, and warn; the old names go in the next release."""
    if name == "state_log_negativity":
        warn_of_new_name("state_log_negativity", "log_negativity_dm")
        return log_negativity_dm
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
