"""Evaluate plans: the log negativity of three dephasing ensembles at any number of atoms, with the parts of its error.

E = log2(‖X‖_1 / Tr ρ), both in units in which the envelope's weight is one: ‖X‖_1 from `torus` or `long_chain`, plus
`envelope`'s correction, and Tr ρ = Σ_ν e^(-2γ_2tν²) R_0ν cos(νφ) cos^2N(νt/2).
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxent import dicke
from jaxent.bloch import kernel, long_chain, torus
from jaxent.bloch.envelope import Curvature, of_symbol
from jaxent.bloch.plan import Plan, Question, chain_plan, hops_of, levels_of, torus_plan
from jaxent.bloch.symbol import Strengths
from jaxent.bloch.torus import TorusShape
from jaxent.runtime import execution, memory, threads
from jaxent.times import PiFraction, cos_sin_turns, turns

__all__ = ["Found", "Slopes", "answer", "traceable"]

_MOST_CURVED = 1600  # atoms of the envelope in u of the matrix whose eigenvectors give the correction
_CURVED_ROWS = 256.0  # tolerance of its rows, relative to others: the outer ones are hundredths of a small change
_BLOCKS_ERROR = 0.12  # of the correction at a magic time, times (γ̄tN)²: found from 0.08 to 0.17
_NEXT_ORDER = 1.0  # the next order of the expansion, relative to the first times j²/N: found to be below 0.7
_KINKS = 1.0  # error of a rule of Bloch phases, relative to its change from half as many: the kinks make it irregular
_ROUNDINGS = 64
_LEAST_CORRECTION = 1e-9
_NEGLIGIBLE = 1 / 50  # corrections below this times the tolerance are not computed, but counted as errors
_BLOCH_SHARE = 1 / 8  # of the tolerance
_MOST_BLOCH = 128
_OPERATIONS_PER_SECOND, _MOST_SECONDS = 1e8, 3600.0
_LEAST_CURVED = 8  # Bloch phases of the correction
_STEP = 1e-4  # of the differences that differentiate the correction


class Found(NamedTuple):
    """Hold a log negativity and the parts of its error, in bits.

    Attributes:
        value: E.
        hop_error: bound on what the hops and rows left out change.
        quadrature_error: bound on the error of the rule of the trace norm.
        bloch_error: estimate of the error of the finite number of Bloch phases.
        envelope_error: estimate of the error of the expansion in 1/N.
        rounding_error: estimate of the error of rounding, where the outcome is improbable.
        method: "band" or "blocks".
        slopes: the derivatives of E, where they were asked for.
    """

    value: float
    hop_error: float
    quadrature_error: float
    bloch_error: float
    envelope_error: float
    rounding_error: float
    method: str
    slopes: "Slopes | None" = None

    @property
    def error(self) -> float:
        """Sum of all parts."""
        return float(sum(self[1:6]))


class Slopes(NamedTuple):
    """Hold the derivatives of a log negativity in t at fixed γ_j t, in γ_j t, and in φ."""

    time: float
    strengths: np.ndarray
    offset: float


class _Lattice(NamedTuple):
    along: Any  # j
    gcd: Any
    nodes: Any  # None in the limit
    n_atoms: Any
    outcome: Any

    def without_hops(self) -> "_Lattice":
        """Keep j = 0 only, as the trace has it."""
        return self._replace(along=np.zeros(1, np.int64))


class _TableShape(NamedTuple):
    """Hold what the program of the kernel's coefficients depends on, as `ChainShape` names it."""

    n_frequencies: int
    largest_hop: int
    twice: bool

    @classmethod
    def of(cls, plan: Plan) -> "_TableShape":
        return cls(plan.hops.n_frequencies, plan.hops.largest, plan.shape.twice)


class _Hops(NamedTuple):
    """Hold the hops j, their greatest common divisor, and of their kernels the coefficients, or the values."""

    along: Any
    gcd: Any
    table: Any


# ------------------------------------------------------------------------ programs


@functools.partial(jax.jit, static_argnums=0)
def _table(shape: _TableShape, lattice: _Lattice, time):
    """Compute the coefficients of all kernels G_j, which no Bloch phase changes."""
    if lattice.nodes is None:
        return kernel.limit_coefficients(lattice.along, shape.largest_hop, time, shape.n_frequencies)
    table = kernel.coefficients(
        *(lattice.n_atoms, lattice.outcome, lattice.nodes),
        *(lattice.along, shape.largest_hop, time, shape.n_frequencies),
    )
    # improbable outcomes have kernels whose products underflow; the first entry, R_00, is the largest
    scale = jax.lax.stop_gradient(table[0, 0].real)
    table = table / jnp.where(scale > 0, scale, 1.0).astype(table.dtype)
    return kernel.real_and_imaginary(table) if shape.twice else table


def _hops(lattice: _Lattice, table) -> _Hops:
    return _Hops(lattice.along, lattice.gcd, table)


@jax.jit
def _traced(n_atoms, table, time, strengths, offset):
    """Compute Tr ρ, and R_00, the size of the terms that cancel in it, from the coefficients of j = 0, (F,)."""
    numbers = np.arange(len(table))
    terms = kernel.damped(table[None], Strengths.of(strengths).measured)[0]
    half_angles = turns(numbers, time, 1)
    if n_atoms is None:
        spread = jnp.where(jnp.abs(cos_sin_turns(half_angles)[0]) > 1 - 1e-12, 1.0, 0.0)
    else:
        spread = dicke.cos_power(2 * n_atoms, half_angles)
    return jnp.sum(terms * spread * jnp.cos(numbers * offset)), terms[0]


# the kernels between all states, which no Bloch phase changes, are programs of their own


@functools.partial(jax.jit, static_argnums=0)
def _chain_kernels(shape, rows, table, time, strengths, offset):
    return long_chain.kernels_of(shape, rows, table, time, offset, Strengths.of(strengths))


@functools.partial(jax.jit, static_argnums=0)
def _on_chain(shape, hops: _Hops, rows, rule, theta, strengths):
    """Compute ‖X_θ‖_1 and the bound on its error, `hops` with the kernels."""
    return long_chain.trace_norm(shape, rows, hops.along, hops.table, Strengths.of(strengths), theta, rule)


@functools.partial(jax.jit, static_argnums=0)
def _curved_chain(shape, hops: _Hops, rows, theta, strengths) -> Curvature:
    """Compute `envelope.curvature` for θ, `hops` with the kernels."""
    of = (hops.along, hops.table, Strengths.of(strengths))
    symbols = tuple(long_chain.dense_symbol(shape, rows, *of, theta, order) for order in (0, 1, 2))
    return jax.tree.map(jnp.sum, jax.lax.map(lambda three: of_symbol(*three), symbols))


@functools.partial(jax.jit, static_argnums=0)
def _torus_kernels(shape, table, time, strengths, offset):
    return torus.kernels_of(shape, table, time, offset, Strengths.of(strengths))


@functools.partial(jax.jit, static_argnums=0)
def _on_torus(shape, hops: _Hops, strengths):
    """Compute ‖X‖_1, and from half as many Bloch phases, `hops` with the kernels."""
    return torus.trace_norm(shape, *hops, Strengths.of(strengths))


@functools.partial(jax.jit, static_argnums=0)
def _curved_torus(shape, hops: _Hops, strengths) -> tuple[Curvature, Curvature]:
    """Compute the mean of `envelope.curvature`, and over half as many Bloch phases, `hops` with the kernels."""
    return torus.curvatures(shape, *hops, Strengths.of(strengths))


def _along(unit, time, strengths, offset):
    """Move the five parameters t, γ_j t and φ in a direction: a function of the step."""

    def at(step):
        moved = time if isinstance(time, PiFraction) else time + step * unit[0]
        return moved, strengths + step * unit[1:4], offset + step * unit[4]

    return at


def _with_slopes(function, parameters):
    """Return a function's first result at the parameters, and its five derivatives, shape (5,)."""

    def along(unit):
        at = _along(unit, *parameters)
        return jax.jvp(lambda step: function(*at(step))[0], (jnp.zeros(()),), (jnp.ones(()),))

    values, derivatives = jax.vmap(along)(jnp.eye(5))
    return values[0], derivatives


@functools.partial(jax.jit, static_argnums=0)
def _traced_slopes(shape, lattice, *parameters):
    def trace(time, strengths, offset):
        return _traced(lattice.n_atoms, _table(shape, lattice, time)[0], time, strengths, offset)

    return _with_slopes(trace, parameters)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _on_chain_slopes(of_table, shape, lattice, rows, rule, theta, *parameters):
    def norm(time, strengths, offset):
        kernels = _chain_kernels(shape, rows, _table(of_table, lattice, time), time, strengths, offset)
        return _on_chain(shape, _hops(lattice, kernels), rows, rule, theta, strengths)

    return _with_slopes(norm, parameters)


@functools.partial(jax.jit, static_argnums=0)
def _on_torus_slopes(shape, hops, *parameters):
    """Differentiate at fixed phases kt, and so at fixed coefficients."""

    def norm(time, strengths, offset):
        kernels = _torus_kernels(shape, hops.table, time, strengths, offset)
        return _on_torus(shape, hops._replace(table=kernels), strengths)

    return _with_slopes(norm, parameters)


# ------------------------------------------------------------------------- answers


class _Correction(NamedTuple):
    """Hold the envelope's correction, its next order and the error of its Bloch phases, relative to ‖X‖_1."""

    change: float
    error: float
    bloch_error: float


class _Norm(NamedTuple):
    """Hold ‖X‖_1, its change from half as many Bloch phases, and the bound on the quadrature's error."""

    value: Any
    change: float
    rule_error: float


class _Job:
    """One question with its plan, and the data of the programs."""

    def __init__(self, question: Question, tolerance: float):
        self.question, self.tolerance = question, tolerance
        hops = hops_of(question, tolerance)
        self.lattice = _Lattice(hops.along, hops.gcd, hops.nodes, question.n_atoms, question.outcome)
        self.curved: Plan | None = None
        self.known: dict[Any, Any] = {}  # results by θ, which refined rules share
        self._coefficients: Any = None
        levels = levels_of(question)
        if levels is not None and self._blocks_may_do:
            self.plan = torus_plan(question, hops, levels)
            self._refuse_long()
            self.curved = self.plan.refined(1 / 2)
            self.correct()
            if self.correction.error <= tolerance / 2 or question.n_atoms is None:
                return
        self.plan, self.curved = chain_plan(question, hops, tolerance), None
        self._refuse_long()
        if question.n_atoms is not None and hops.curvature / question.n_atoms > _NEGLIGIBLE * tolerance:
            self.curved = chain_plan(question, hops, _CURVED_ROWS * tolerance, min(question.n_atoms, _MOST_CURVED))
            self.curved = self.curved.refined(max(1.0, _LEAST_CURVED / self.curved.n_bloch))
        self.correct()

    def _refuse_long(self) -> None:
        seconds = self.plan.operations / _OPERATIONS_PER_SECOND
        if seconds > _MOST_SECONDS:
            raise ValueError(
                f"{self._what} would take about {seconds / 3600:.2g} hours, as γt is small; use a larger tolerance."
            )

    @property
    def _blocks_may_do(self) -> bool:
        """Whether the error of the blocks' correction may be small enough to try them."""
        n_atoms, mean = self.question.n_atoms, self.question.mean
        return n_atoms is None or self.tolerance / 2 * (mean * n_atoms) ** 2 >= _BLOCKS_ERROR

    @property
    def parameters(self) -> tuple:
        return self.question.time, self.question.strengths, np.asarray(self.question.offset)

    @property
    def on_torus(self) -> bool:
        return isinstance(self.plan.shape, TorusShape)

    def correct(self) -> None:
        """Compute the correction, with as many Bloch phases as it takes."""
        self.correction = self.corrected()
        while self.correction.bloch_error > _BLOCH_SHARE * self.tolerance and self.curved is not None:
            if self.curved.n_bloch > _MOST_BLOCH:
                break
            self.curved = self.curved.refined()
            self.correction = self.corrected()

    def corrected(self, parameters: tuple | None = None) -> _Correction:
        """Compute the correction, for other parameters close to those of the plan."""
        plan, n_atoms = self.curved, self.question.n_atoms
        time, strengths, offset = parameters or self.parameters
        if n_atoms is None:
            return _Correction(0.0, 0.0, 0.0)
        if plan is None:
            return _Correction(0.0, self.plan.hops.curvature / n_atoms, 0.0)
        if isinstance(plan.shape, TorusShape):
            both = self._call(_curved_torus, plan.shape, self._with_kernels(plan, time, strengths, offset), strengths)
            found, coarse = jax.tree.map(float, both)
        else:
            thetas, weights, coarser = plan.bloch_phases()
            hops = self._with_kernels(plan, time, strengths, offset)
            key = (plan.shape,) if parameters is None else None
            each = self._over(_curved_chain, (plan.shape, hops, plan.rows), thetas, (strengths,), key)
            found, coarse = (
                jax.tree.map(lambda *x, w=w: float(np.dot(w, np.asarray(x))), *each) for w in (weights, coarser)
            )
        if not found.weight:
            return _Correction(0.0, 0.0, 0.0)
        next_order = _NEXT_ORDER * found.hop_squares / found.weight / n_atoms
        scale = found.norm * n_atoms
        return _Correction(
            found.change / scale, next_order * found.size / scale, abs(found.change - coarse.change) / scale
        )

    def norm(self) -> _Norm:
        """Compute ‖X‖_1, with as many Bloch phases as it takes."""
        found = self._norm()
        while _KINKS * found.change > _BLOCH_SHARE * self.tolerance * found.value and self._refine():
            found = self._norm()
        return found

    def _norm(self) -> _Norm:
        plan, (time, strengths, offset) = self.plan, self.parameters
        if self.on_torus:
            hops = self._with_kernels(plan, time, strengths, offset)
            fine, coarse = map(float, self._call(_on_torus, plan.shape, hops, strengths))
            return _Norm(fine, abs(fine - coarse), 0.0)
        thetas, weights, coarser = plan.bloch_phases()
        rows = []
        for shift in plan.offsets:
            hops = self._with_kernels(plan, time, strengths, offset + shift)
            data = plan.shape, hops, plan.rows, plan.rule
            rows.append(self._over(_on_chain, data, thetas, (strengths,), (plan.shape, float(shift))))
        each = np.array(rows)  # (K, θ, 2)
        fine, coarse = plan.shares @ each[..., 0] @ weights, plan.shares @ each[..., 0] @ coarser
        return _Norm(float(fine), abs(float(fine - coarse)), float(np.mean(each[..., 1] @ weights)))

    def _hops(self, time: Any = None) -> _Hops:
        """Return the hops with their coefficients at the time of the question, or at another."""
        if time is None or time is self.question.time:
            if self._coefficients is None:
                self._coefficients = self._coefficients_at(self.question.time)
            return _hops(self.lattice, self._coefficients)
        return _hops(self.lattice, self._coefficients_at(time))

    def _coefficients_at(self, time: Any) -> Any:
        return self._call(_table, _TableShape.of(self.plan), self.lattice, time)

    def _with_kernels(self, plan: Plan, time, strengths, offset) -> _Hops:
        """Return the hops with the kernels between all states of a plan."""
        found, shape = self._hops(time), plan.shape
        if isinstance(shape, TorusShape):
            data = _torus_kernels, shape._replace(n_bloch=0)  # on which they do not depend
        else:
            data = _chain_kernels, shape, plan.rows
        return found._replace(table=self._call(*data, found.table, time, strengths, offset))

    def _refine(self) -> bool:
        """Double the number of Bloch phases, unless it is large already."""
        if not 0 < self.plan.n_bloch <= _MOST_BLOCH:
            return False
        self.plan = self.plan.refined()
        return True

    def trace(self) -> tuple[float, float]:
        """Compute Tr ρ and R_00."""
        trace, scale = self._call(_traced, self.question.n_atoms, self._hops().table[0], *self.parameters)
        return float(trace), float(scale)

    def slopes(self) -> np.ndarray:
        """Differentiate log2(‖X‖_1/Tr ρ) in the five parameters."""
        plan, (time, strengths, offset) = self.plan, self.parameters
        of_table = _TableShape.of(plan)
        trace, of_trace = self._call(_traced_slopes, of_table, self.lattice.without_hops(), *self.parameters)
        if self.on_torus:
            norm, of_norm = self._call(_on_torus_slopes, plan.shape, self._hops(), *self.parameters)
        else:
            thetas, weights, _ = plan.bloch_phases()
            data = of_table, plan.shape, self.lattice, plan.rows, plan.rule
            each = [
                self._over(_on_chain_slopes, data, thetas, (time, strengths, offset + shift)) for shift in plan.offsets
            ]
            norms = np.array([[value for value, _ in row] for row in each])
            derivatives = np.array([[slope for _, slope in row] for row in each])  # (K, θ, 5)
            norm, of_norm = plan.shares @ norms @ weights, np.einsum("k,kti,t->i", plan.shares, derivatives, weights)
            of_norm[0] += plan.slopes_of_shares @ norms @ weights
        return (np.asarray(of_norm) / float(norm) - np.asarray(of_trace) / float(trace)) / math.log(2)

    def _over(self, program, data: tuple, thetas, parameters: tuple, key: tuple | None = None) -> list:
        """Call a program for each θ, several at a time; results are kept for other calls with an equal key."""
        keys = [(program, key, float(theta)) for theta in thetas]
        wanted = [index for index, one in enumerate(keys) if key is None or one not in self.known]
        fresh: dict[int, Any] = {}

        def run(index: int, call: Callable):
            return jax.device_get(call(program, *data, np.asarray(thetas[index]), *parameters))

        if wanted:
            fresh[wanted[0]] = run(wanted[0], self._call)  # compiles the program, and checks the memory
        if rest := wanted[1:]:
            needed = memory.needed_by(program, *data, np.asarray(thetas[0]), *parameters)
            alike = functools.partial(run, call=lambda function, *args: function(*args))
            for number, found in threads.side_by_side(alike, rest, memory.calls_at_once(needed)):
                fresh[rest[number]] = found
        if key is not None:
            self.known.update({keys[index]: found for index, found in fresh.items()})
        return [fresh[index] if index in fresh else self.known[keys[index]] for index in range(len(thetas))]

    def _call(self, program, *args):
        return execution.call(program, *args, what=self._what, instead="use a larger tolerance")

    @property
    def _what(self) -> str:
        question = self.question
        return (
            f"The log negativity for n_atoms = {question.n_atoms or 'infinite'}, γt = {question.mean:.3g} and "
            f"tolerance = {self.tolerance:.3g}"
        )


@threads.with_one_lapack_thread  # once, not for each program
def answer(question: Question, tolerance: float, with_slopes: bool = False) -> Found:
    """Compute the log negativity of one point.

    Args:
        question: with γ̄t > 0.
        tolerance: error in bits that hops, rows, nodes and envelope in u are chosen for; the error found may be larger.
        with_slopes: whether to differentiate as well.
    """
    job = _Job(question, tolerance)
    norm, correction, plan, bits = job.norm(), job.correction, job.plan, math.log(2)
    trace, scale = job.trace()
    return Found(
        value=max(0.0, math.log2(norm.value / trace * (1 + correction.change))),  # E ≥ 0, so this is closer
        hop_error=(plan.cut_error + plan.row_error) / bits,
        quadrature_error=norm.rule_error / norm.value / bits,
        bloch_error=(_KINKS * norm.change / norm.value + correction.bloch_error) / bits,
        envelope_error=plan.envelope_error + correction.error / bits,
        rounding_error=_ROUNDINGS * np.finfo(float).eps * scale / trace / bits if trace > 0 else math.inf,
        method="blocks" if job.on_torus else "band",
        slopes=_slopes(job) if with_slopes else None,
    )


def _slopes(job: _Job) -> Slopes:
    """Differentiate the value of a job; the derivative in an exact time, and at a magic time, is that at fixed phases.

    At a magic time, whether exact or to rounding, E(t) at fixed γ_j t is even about it up to 1/N.
    """
    found = job.slopes()
    if abs(job.correction.change) > _LEAST_CORRECTION:
        found = found + _slopes_of_correction(job)
    if job.on_torus:
        found[0] = 0.0
    return Slopes(float(found[0]), found[1:4], float(found[4]))


def traceable(question: Question, tolerance: float) -> Callable:
    """Plan a question, and return its log negativity as a function that JAX can transform.

    Args:
        question: the point that is planned for.
        tolerance: as of `answer`.

    Returns:
        function of t, the γ_j t of shape (3,), and φ, all so close to those of the question that the same hops count.
        At a magic time it holds there only. The correction of order 1/N is that of the question.
    """
    job = _Job(question, tolerance)
    job.norm()  # refines
    plan, lattice, change = job.plan, job.lattice, job.correction.change

    def bits(time, strengths, offset):
        table = _table(_TableShape.of(plan), lattice, time)
        hops = _hops(lattice, table)
        trace, _ = _traced(lattice.n_atoms, table[0], time, strengths, offset)
        if job.on_torus:
            kernels = _torus_kernels(plan.shape, table, time, strengths, offset)
            norm, _ = _on_torus(plan.shape, hops._replace(table=kernels), strengths)
        else:
            thetas, weights, _ = plan.bloch_phases()
            shifts, angles = (x.ravel() for x in np.meshgrid(plan.offsets, thetas, indexing="ij"))

            def one(point):
                shift, theta = point
                kernels = _chain_kernels(plan.shape, plan.rows, table, time, strengths, offset + shift)
                return _on_chain(*(plan.shape, hops._replace(table=kernels), plan.rows, plan.rule), theta, strengths)[0]

            norms = jax.lax.map(one, (jnp.asarray(shifts), jnp.asarray(angles)))
            moved = 0.0 if isinstance(time, PiFraction) else time - question.time
            shares = jnp.asarray(plan.shares) + moved * jnp.asarray(plan.slopes_of_shares)
            norm = jnp.outer(shares, jnp.asarray(weights)).ravel() @ norms
        return jnp.log2(norm / trace * (1 + change))

    return bits


def _slopes_of_correction(job: _Job) -> np.ndarray:
    """Differentiate log2(1 + change) by central differences: it is small, so they are accurate enough."""
    sizes = np.array([1.0, *job.question.strengths, 1.0])
    changes = np.zeros(5)
    for direction in np.flatnonzero(sizes):
        step = _STEP * sizes[direction]
        at = _along(np.eye(5)[direction], *job.parameters)
        changes[direction] = (job.corrected(at(step)).change - job.corrected(at(-step)).change) / (2 * step)
    return changes / (1 + job.correction.change) / math.log(2)
