"""Compute the entropy of the ends for large N by the band engine, at a cost that grows as √N.

With the Dicke states sorted by their phases, the end-to-end matrix is a narrow band (`plan`). Its log-determinants
(`factor`) at about twenty shifts (`quadrature`) give the entropy (`engine`), without eigenvalues and smooth in every
parameter. `batches` evaluates many times. The equations are in each module.

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
