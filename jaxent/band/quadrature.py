"""Fit quadrature rules that turn log-determinants into sums over a spectrum.

    Σ_i f(x_i) ≈ Σ_a u_a Σ_i ln|1 + x_i/z_a| + Σ_j v_j Σ_i x_i^j.

For x ≥ 0 the integral x ln x = ∫_0^∞ [x/(1+s) - x/(x+s)] ds, by parts one over ln(1 + x/s), is a sum over s = e^u by
the trapezoidal rule, whose error falls as exp(-2π²/h) with the step h: ln(1 + x e^(-u)) is analytic for |Im u| < π.
Here the nodes are those of that rule, and the weights are fitted, which corrects for the finite range and allows any f:
x^m ln x for the entropy, x^p for a Rényi entropy, and between them x^m (x^q - 1)/q, which is x^m ln x at q = 0. Powers
above 2 are nearly polynomials, for which positive nodes would need weights that cancel; the upper nodes then lie on a
circle around the spectrum (Cauchy's formula), and the remaining positive ones resolve the singularity at x = 0.

The largest error of the fit is measured, which bounds the error of a sum beforehand:

    |Σ_i f(x_i) - rule| ≤ error · Σ_i (x_i + 0.1).

>>> rule = fitted_rule((1.0, 0.0), (1.0, None), moments=1)         # x ln x, and x
>>> x = np.array([0.7, 0.2, 0.1, 0.0])
>>> logs = np.log1p(x / rule.nodes[:, None]).sum(axis=1)
>>> print(round(float((rule.log_weights @ logs + rule.moment_weights @ [x.sum()])[0]), 8))
-0.80181855

Reference: N. Hale, N. J. Higham, L. N. Trefethen, SIAM J. Numer. Anal. 46, 2505 (2008), on such rules.
"""

import dataclasses
import functools
import itertools
import math
from typing import Any

import jax
import numpy as np

__all__ = ["FLOOR", "Rule", "fitted_rule"]

FLOOR = 0.1  # errors are relative to x + FLOOR, so that rounding in the many x near zero is cheap
_SAMPLES = np.concatenate([[0.0], np.geomspace(1e-16, 1.0, 4000)])
_LOWEST = (1e-4, 1e-5, 1e-6, 1e-8, 1e-10, 1e-12, 1e-14)  # candidates for the smallest positive node
_REFINEMENTS = (1.2, 1.0, 0.85, 0.7)
_HIGHEST = 60.0
_RADIUS = 2.0
_ON_CIRCLE = (8, 12, 16, 20)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Rule:
    """Hold a quadrature rule for k functions on [0, 1] at S nodes (host arrays, or traced ones).

    Attributes:
        nodes: z_a, shape (S,); real and positive, or complex.
        log_weights: u_a, shape (k, S).
        moment_weights: v_j for the powers 1…J, shape (k, J).
        errors: largest |f(x) - rule(x)| / (x + 0.1) on [0, 1], shape (k,).
    """

    nodes: Any
    log_weights: Any
    moment_weights: Any
    errors: Any

    def in_sheets(self, width: int, count: int) -> "Rule":
        """Reshape nodes to (count, width) and weights to (k, count, width), padded with weight 0.

        Rules of different lengths then have the same shape and share one compiled program.
        """
        missing = count * width - len(self.nodes)
        return dataclasses.replace(
            self,
            nodes=np.pad(self.nodes, (0, missing), constant_values=1.0).reshape(count, width),
            log_weights=np.pad(self.log_weights, ((0, 0), (0, missing))).reshape(-1, count, width),
        )


@functools.lru_cache(maxsize=256)
def fitted_rule(*functions: tuple[float, float | None], moments: int, tolerance: float = 1e-10) -> Rule:
    """Find the shortest rule with errors up to `tolerance`, or the most accurate one if none has.

    Args:
        functions: pairs (p, q): x^p (x^q - 1)/q, at q = 0 its limit x^p ln x; where q is None, x^p.
        moments: J, how many of the sums Σ x, Σ x², … are known.
        tolerance: largest of the `errors` of all functions.

    Returns:
        Rule: its `errors` are measured, and may exceed the tolerance; callers compare.
    """
    values = np.stack([_values(*function) for function in functions], axis=-1)
    step = 2 * math.pi**2 / math.log(1 / tolerance)
    circles = (0,) if max(power + max(q or 0.0, 0.0) for power, q in functions) <= 2 else _ON_CIRCLE

    def rule(on_circle: int, refinement: float, lowest: float) -> Rule:
        return _fit(values, _nodes(refinement * step, lowest, on_circle), moments)

    # circles whose longest rule is accurate enough; if there are none, search all for the most accurate rule
    enough = [one for one in circles if rule(one, _REFINEMENTS[-1], _LOWEST[-1]).errors.max() <= tolerance]
    rules = []
    for sizes in itertools.product(enough or circles, _REFINEMENTS, _LOWEST):
        rules.append(rule(*sizes))
        if rules[-1].errors.max() <= tolerance:
            return rules[-1]
    return min(rules, key=lambda rule: rule.errors.max())


def _nodes(step: float, lowest: float, on_circle: int) -> np.ndarray:
    positive = np.exp(np.arange(math.log(1.0 if on_circle else _HIGHEST), math.log(lowest), -step))
    if not on_circle:
        return positive
    angles = math.pi * (np.arange(on_circle) + 0.5) / (on_circle + 0.5)  # half a circle: x is real
    return np.concatenate([positive, -_RADIUS * np.exp(1j * angles)])


def _values(power: float, q: float | None) -> np.ndarray:
    safe = np.where(_SAMPLES > 0, _SAMPLES, 1.0)
    factor = np.log(safe) if q == 0 else 1.0 if q is None else np.expm1(q * np.log(safe)) / q
    return np.where(_SAMPLES > 0, safe**power * factor, 0.0)


def _fit(values: np.ndarray, nodes: np.ndarray, moments: int) -> Rule:
    logs = np.real(np.log1p(_SAMPLES[:, None] / nodes))
    measure = 1 / (_SAMPLES[:, None] + FLOOR)
    columns = measure * np.concatenate([logs, _SAMPLES[:, None] ** np.arange(1, moments + 1)], axis=1)
    norms = np.linalg.norm(columns, axis=0)
    scaled = np.linalg.lstsq(columns / norms, measure * values, rcond=1e-15)[0]
    weights = scaled / norms[:, None]
    errors = abs(columns / norms @ scaled - measure * values).max(axis=0)
    return Rule(nodes, weights[: len(nodes)].T, weights[len(nodes) :].T, errors)
