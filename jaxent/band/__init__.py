"""The large-N engine: entanglement of the ends at a cost that grows as √N.

In the order of their phases the Dicke states make the end-to-end matrix a narrow band (`plan`), whose log-determinants
(`factor`) at some twenty shifts (`quadrature`) give the entropy (`engine`): no eigenvalues, smooth in every parameter.
`batches` works off many times. See each module for its equations.

>>> from jaxent import Chain
>>> (plan,) = make_plans(Chain(3, 10**6), 1.0, None, None, tolerance=1e-8)
>>> print(round(float(evaluate(plan).entropy), 6))
9.47168
"""

from jaxent.band.batches import (
    Facts,
    banded_seconds,
    dense_seconds,
    entropies,
    entropies_and_slopes,
    make_plans,
    obstacle,
    worth_planning,
)
from jaxent.band.engine import BandedEntropy, evaluate, is_certain
from jaxent.band.plan import BandPlan

__all__ = [
    "BandPlan",
    "BandedEntropy",
    "Facts",
    "banded_seconds",
    "dense_seconds",
    "entropies",
    "entropies_and_slopes",
    "evaluate",
    "is_certain",
    "make_plans",
    "obstacle",
    "worth_planning",
]
