"""Describe a sweep as frozen, plain data: quantities over a grid of chains and parameters.

A parameter has one value, or many, which make it an axis of the grid. Every parameter is kept in a canonical form, so
equal sweeps have equal keys; a time that is a multiple of π remains a text ("2pi/3") and is evaluated exactly.

>>> sweep = Sweep(quantities=["entropy"], n_atoms=[10, 100], time=Span("0", "pi", 5))
>>> sweep.axes
{'n_atoms': 2, 'time': 5}
>>> sweep.n_points
10
"""

import dataclasses
import hashlib
import itertools
import json
import math
import re
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxent.chain import Chain
from jaxent.measurement import Measurement, records_of
from jaxent.messages import shown
from jaxent.noise.log_negativity import DEFAULT_TOLERANCE
from jaxent.outcome_texts import outcome_of
from jaxent.sweep.quantities import MEASUREMENT, QUANTITIES, Settings, is_many_with_noise
from jaxent.sweep.validation import (
    CANONICAL,
    QuestionError,
    Span,
    ends,
    is_axis,
    length,
    listed,
    plain,
    spread,
    times_of,
    value_of,
)
from jaxent.times import BondTimes, PiFraction

__all__ = ["AXES", "CHAIN_AXES", "FORMAT", "PARAMETERS", "Sweep", "asked", "differences", "format_of", "key_of"]

CHAIN_AXES = ("n_ensembles", "n_atoms", "window")
PARAMETERS = ("outcomes", "phase_offset", "dephasing_rate", "collective_rate", *MEASUREMENT, "time")
AXES = CHAIN_AXES + PARAMETERS
FORMAT = 1  # format of stored questions, and of the files of their results
_FORMAT = re.compile(r"jaxent sweep ([1-9]\d{0,8})")
_MOST_POINTS = 10**12
_TOLERANCE = 1e-8  # bits, of entropies


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Describe quantities over a grid, the product of all axes; a parameter with many values is an axis.

    Attributes:
        quantities: names of `jaxent.sweep.QUANTITIES`, computed at each point.
        n_atoms: N, one or many.
        time: t in units of 1/coupling: numbers, or multiples of π ("2pi/3", or a `PiFraction`), or a `Span`; equal
            for all bonds. Or `BondTimes` of shape (M-1,), a time for each bond, or (n, M-1), an axis of n such rows;
            its times may be texts.
        n_ensembles: M, one or many; one where the times are `BondTimes`.
        window: c in standard deviations, one or many; None (in a file "full"): the full basis.
        outcomes: q, one or many: integers, "N" or "N-3", or lists of one for each inner ensemble; None: all N. With a
            resolution, real records.
        phase_offset: φ in radians: numbers, multiples of π, lists of one for each inner ensemble, or a `Span`.
        dephasing_rate: γ in units of the coupling: numbers, lists of one for each ensemble, or a `Span`.
        collective_rate: Γ of a noise that all ensembles share: numbers, or a `Span`.
        tolerance: error in bits that the engines of large ensembles may make; 0: dense matrices only. None: 1e-8 for
            entropies, and 1e-3 for log negativities of three ensembles of more than about 170 Dicke states.
        alpha: order of the Rényi entropy.
        n_samples: draws of `sampled_outcomes` and of averages; None: one draw, and exact averages.
        seed: seed of the draws.
        resolution: σ of the detectors in atoms, as of `jaxent.Measurement`: numbers, lists of one for each inner
            ensemble, or a `Span`.
        atom_dephasing_rate: rate of the dephasing of single measured atoms, likewise.
        atom_loss_rate: rate of the loss of single measured atoms, which are not counted, likewise.

    Raises:
        QuestionError: a ValueError that names the parameter and the reason.
    """

    quantities: Any
    n_atoms: Any
    time: Any
    n_ensembles: Any = 3
    window: Any = None
    outcomes: Any = None
    phase_offset: Any = 0.0
    dephasing_rate: Any = None
    collective_rate: Any = 0.0
    tolerance: Any = None
    alpha: Any = 0.5
    n_samples: Any = None
    seed: Any = 0
    resolution: Any = 0.0
    atom_dephasing_rate: Any = 0.0
    atom_loss_rate: Any = 0.0

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = CANONICAL[field.name](field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        _check_parameters(self)
        _check_bonds(self)
        for name in AXES:
            _check_values(self, name)
        _check_chains(self)
        if self.tolerance is None and not self._is_noisy_and_large():
            object.__setattr__(self, "tolerance", _TOLERANCE)
        if self.n_points > _MOST_POINTS:
            axes = " × ".join(map(str, self.axes.values()))
            raise QuestionError("time", f"and the other axes must make at most 10^12 points, but make {axes}.")

    def __repr__(self) -> str:
        axes = " × ".join(f"{count} {name}" for name, count in self.axes.items()) or "one point"
        single = {"M": self.n_ensembles, "N": self.n_atoms, "c": self.window}
        fixed = [f"{name} = {one}" for name, one in single.items() if isinstance(one, int | float)]
        return f"<Sweep of {', '.join(self.quantities)}: {', '.join([f'{self.n_points} points ({axes})', *fixed])}>"

    @property
    def axes(self) -> dict[str, int]:
        """Axes of the grid in the order of the results' dimensions, with their lengths."""
        return {name: length(getattr(self, name)) for name in AXES if is_axis(getattr(self, name))}

    @property
    def n_points(self) -> int:
        """Points of the whole grid."""
        return math.prod(self.axes.values())

    @property
    def settings(self) -> Settings:
        """Settings that are the same for all points."""
        uniform = not isinstance(self.time, BondTimes)
        tolerance, noisy = (_TOLERANCE, DEFAULT_TOLERANCE) if self.tolerance is None else (self.tolerance,) * 2
        if self.collective_rate != 0.0:
            noisy = 0.0
        return Settings(tolerance, self.alpha, self.n_samples, self.seed, uniform, noisy)

    def _is_noisy_and_large(self) -> bool:
        many = (is_many_with_noise(chain, self.settings) for chain in self.chains)
        return "log_negativity" in self.quantities and any(many)

    @property
    def chains(self) -> list[Chain]:
        """The chains of the grid, in its order."""
        each = [listed(getattr(self, name)) for name in CHAIN_AXES]
        return [Chain(*one) for one in itertools.product(*each)]

    def chain(self, index: int) -> Chain:
        """Return one of `chains`."""
        each = [listed(getattr(self, name)) for name in CHAIN_AXES]
        where = np.unravel_index(index, [len(one) for one in each])
        return Chain(*[one[int(number)] for one, number in zip(each, where, strict=True)])

    @property
    def question(self) -> dict[str, Any]:
        """All data that the results depend on, as plain data."""
        asked = {field.name: plain(getattr(self, field.name)) for field in dataclasses.fields(self)}
        for name in MEASUREMENT:  # results of sweeps that did not know them are still theirs
            if asked[name] == 0.0:
                del asked[name]
        return {"format": f"jaxent sweep {FORMAT}", "precision": str(jnp.dtype(jnp.result_type(float)))} | asked

    @property
    def key(self) -> str:
        """A hash of the question."""
        return key_of(self.question)

    def values(self, name: str, chain: Chain) -> Any:
        """Return the values of a parameter for one chain: None (not set, or all N), or an array with one row per value.

        Args:
            name: one of `PARAMETERS`.
            chain: the chain, which outcomes such as "N-1" refer to.

        Returns:
            None, an integer or float array, or a `PiFraction`; for times also `BondTimes` of shape (rows, M-1).
        """
        value = getattr(self, name)
        if value is None or (name == "outcomes" and value == "N"):
            return None
        if name == "time":
            return times_of(value)
        if isinstance(value, Span):
            return spread(value)
        if name == "outcomes":
            return np.array(
                [
                    [outcome_of(q, chain.n_atoms) for q in one]
                    if isinstance(one, tuple)
                    else outcome_of(one, chain.n_atoms)
                    for one in listed(value)
                ]
            )
        return np.array(listed(value), float)

    def labels(self, name: str) -> Any:
        """Return the coordinate of an axis: numbers if all values are, else texts; for `BondTimes` row numbers."""
        value = getattr(self, name)
        if isinstance(value, BondTimes):
            return np.arange(length(value))
        if name == "time":
            times = times_of(value)
            return times.value if isinstance(times, PiFraction) else times
        if isinstance(value, Span):
            return spread(value)
        each = listed(value)
        if any(isinstance(one, str | tuple) for one in each):
            return np.array([" ".join(map(str, one)) if isinstance(one, tuple) else str(one) for one in each])
        return np.array([np.inf if one is None else one for one in each])  # the window of the full basis is infinite


def asked(question: dict[str, Any]) -> Sweep:
    """Build the sweep of a stored question.

    Raises:
        QuestionError: when the question is not a valid sweep.
    """
    values: dict[str, Any] = {key: value for key, value in question.items() if key not in ("format", "precision")}
    for key, value in values.items():
        if isinstance(value, dict):
            values[key] = BondTimes(value["bonds"]) if set(value) == {"bonds"} else Span(**value)
    return Sweep(**values)


def format_of(question: dict[str, Any]) -> int:
    """Read the format number of a stored question.

    Raises:
        ValueError: when the question has no format.
    """
    match = _FORMAT.fullmatch(question["format"])
    if match is None:
        raise ValueError("no format of a sweep")
    return int(match[1])


def key_of(question: dict[str, Any]) -> str:
    """Compute the hash of a question given as plain data."""
    text = json.dumps(question, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def differences(asked: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """List the differences between two questions, key by key."""
    lines = []
    for key in sorted(asked.keys() | found.keys()):
        if asked.get(key) != found.get(key):
            old, new = (_short(question.get(key)) for question in (found, asked))
            lines.append(f"{key}: {old} → {new}")
    return lines


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:40]} … {text[-15:]} ({len(text)} characters)"


# ------------------------------------------------------------------------- checks


def _check_parameters(sweep: Sweep) -> None:
    """Check that every quantity depends on every parameter that is set, and that those it needs are set."""
    unset = {"outcomes": "N", "phase_offset": 0.0, "dephasing_rate": None, "collective_rate": 0.0}
    unset |= dict.fromkeys(MEASUREMENT, 0.0)
    for name in sweep.quantities:
        parameters = QUANTITIES[name].parameters
        for parameter, value in unset.items():
            if getattr(sweep, parameter) != value and parameter not in parameters:
                raise QuestionError(parameter, f"must not be given for {name}, which does not depend on it.")
        if "dephasing_rate" in parameters and sweep.dephasing_rate is None:
            raise QuestionError("dephasing_rate", f"must be given for {name}, but is missing.")
        if QUANTITIES[name].one_chain and any(length(getattr(sweep, axis)) > 1 for axis in CHAIN_AXES):
            raise QuestionError(
                "quantities",
                f"must not hold {name} with several values of n_ensembles, n_atoms or window: its shape changes with "
                "them; make a sweep for each.",
            )
        if name == "sampled_outcomes" and 2 in listed(sweep.n_ensembles):
            raise QuestionError(
                "n_ensembles", f"must be at least 3 for {name}, but is 2: a chain of two has no inner ensemble."
            )


def _check_bonds(sweep: Sweep) -> None:
    """Check `BondTimes`: every quantity accepts them, there is one M, and each row has one time per bond."""
    if not isinstance(sweep.time, BondTimes):
        return
    for name in sweep.quantities:
        if "dephasing_rate" in QUANTITIES[name].parameters:
            raise QuestionError("time", f"must be the same for all bonds for {name}, but is BondTimes.")
    n_ensembles, *others = listed(sweep.n_ensembles)
    if others:
        raise QuestionError(
            "n_ensembles",
            f"must be one value where the times are BondTimes, but holds {shown([n_ensembles, *others])}.",
        )
    expected = n_ensembles - 1
    for row in listed(sweep.time):
        if len(row) != expected:
            raise QuestionError(
                "time",
                f"must hold {expected} times, one for each bond of n_ensembles = {n_ensembles}, but holds "
                f"{shown(list(row))}.",
            )


def _check_values(sweep: Sweep, name: str) -> None:
    """Check that values are in their range, and lists of the right length."""
    value = getattr(sweep, name)
    if name == "time":
        numbers_, texts = ([isinstance(one, kind) for one in ends(value)] for kind in (float, str))
        if any(numbers_) and any(texts) and not isinstance(value, Span):
            raise QuestionError(
                "time", "must hold either numbers or multiples of π, but holds both; write the numbers as fractions."
            )
        values = [value_of(one) for one in ends(value)]
        latest = max(map(abs, values))
        if latest > 1e6:
            raise QuestionError("time", f"must be at most 1e+06 in magnitude, but holds {latest:g}.")
        noisy = [one for one in sweep.quantities if "dephasing_rate" in QUANTITIES[one].parameters]
        earliest = min(values)
        if noisy and earliest < 0:
            raise QuestionError("time", f"must be at least 0 for {noisy[0]}, but holds {earliest:g}.")
    if name == "outcomes":
        real = [q for one in listed(value) for q in listed(one) if isinstance(q, float)]
        if real and not all(value_of(one) > 0 for row in ends(sweep.resolution) for one in listed(row)):
            raise QuestionError("outcomes", f"must be an integer where the resolution is 0, but is {shown(real[0])}.")
    lengths = {"outcomes": -2, "phase_offset": -2, "dephasing_rate": 0} | dict.fromkeys(MEASUREMENT, -2)
    if name in lengths and isinstance(value, tuple) and isinstance(value[0], tuple):
        for n_ensembles in listed(sweep.n_ensembles):
            expected = n_ensembles + lengths[name]
            wrong = [one for one in value if len(one) != expected]
            if wrong:
                each = "ensemble" if name == "dephasing_rate" else "inner ensemble"
                raise QuestionError(
                    name,
                    f"must hold lists of {expected} values for n_ensembles = {n_ensembles}, one for each {each}, "
                    f"but holds {shown(list(wrong[0]))}.",
                )


def _check_measurement(sweep: Sweep, chain: Chain) -> None:
    """Check the first values of the parameters of the measurement together."""
    first = {name: ends(getattr(sweep, name))[0] for name in MEASUREMENT}
    outcomes = sweep.values("outcomes", chain)
    try:
        records_of(Measurement(**first), None if outcomes is None else outcomes[0], chain.n_ensembles, chain.n_atoms)
    except ValueError as error:
        name = next((name for name in MEASUREMENT if name in str(error)), "resolution")
        raise QuestionError(name, f"cannot be answered: {error}") from None


def _check_chains(sweep: Sweep) -> None:
    for values in itertools.product(*[listed(getattr(sweep, name)) for name in CHAIN_AXES]):
        try:
            chain = Chain(*values)
        except ValueError as error:
            match = re.match(r"Argument `(\w+)` (.*)", str(error), re.DOTALL)
            raise (QuestionError(match[1], match[2]) if match else error) from None
        for one in listed(sweep.outcomes):
            for q in listed(one):
                if not 0 <= outcome_of(q, chain.n_atoms) <= chain.n_atoms:
                    raise QuestionError(
                        "outcomes",
                        f"must lie in 0…{chain.n_atoms} for n_atoms = {chain.n_atoms}, but holds {shown(q)}.",
                    )
        _check_measurement(sweep, chain)
