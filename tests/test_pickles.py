"""Exceptions and public objects pass through pickle and copy, and so between the processes of a pool."""

import copy
import dataclasses
import importlib
import multiprocessing
import pickle
import pkgutil

import jax.numpy as jnp
import numpy as np
import pytest

import jaxent
from jaxent.analysis.optimize import History
from jaxent.protocol.dispatch import HardlyPossible, ImpossibleOutcomes
from jaxent.runtime.execution import NeedsKnownValues
from jaxent.sweep import exports
from jaxent.sweep.validation import QuestionError

CHAIN = jaxent.Chain(3, 4, 1.5)
CHAIN_OF_FEW = jaxent.Chain(3, 4)
THREE = np.arange(3.0)
EXCEPTIONS = [
    exports._Refused("holds no Zarr store"),
    ImpossibleOutcomes("Argument `outcomes` cannot occur.", np.array([True, False])),
    HardlyPossible("Argument `outcomes` can hardly occur.", np.array([True, False])),
    QuestionError("time", "must be given."),
    NeedsKnownValues("Argument `time` is traced."),
    jaxent.OptimizationError("Argument `objective` is not finite."),
    jaxent.OptimizationError("Argument `objective` is not finite.", History(THREE, THREE, THREE, THREE)),
]


def objects():
    """One of each public class."""
    return [
        CHAIN,
        jaxent.pi_fraction([1, 2], 3),
        jaxent.BondTimes(jaxent.pi_fraction([1, 2], 3)),
        jaxent.BondTimes(jnp.asarray([0.5, 0.7])),
        jaxent.EnsembleRates(THREE),
        jaxent.plan_entropy(jaxent.Chain(3, 30), 0.7, 29, 0.3),
        jaxent.EntropyCurve(THREE, THREE, THREE, np.array([0, 2, 3]), THREE),
        jaxent.EntropyWithErrors(
            *[jnp.asarray(x) for x in (1.0, 0.0, 1e-9, 0.0, 0.0, 1e-9)][: len(jaxent.EntropyWithErrors._fields)]
        ),
        jaxent.collective_spin_moments(CHAIN_OF_FEW, 0.3),
        jaxent.modular_witness(CHAIN_OF_FEW, jaxent.pi_fraction(1)),
        jaxent.Witness(jnp.asarray(0.5), 1.0, jnp.asarray(True), "a name", "entanglement", "a reference"),
        jaxent.EstimatedLogNegativity(*[1.0] * len(jaxent.EstimatedLogNegativity._fields)),
        jaxent.BestEbitRate(jaxent.EbitRate(1.0, 2.0, 3.0, 0.1), 2, jaxent.pi_fraction(1), 0.5, THREE),
        jaxent.EbitRate(1.0, 2.0, 3.0, 0.1),
        jaxent.Coverage(THREE, THREE, THREE, THREE, THREE, THREE, (jaxent.EbitRate(1.0, 2.0, 3.0, 0.1),), 3),
        jaxent.Experiment("2kHz", 4, t2="5ms", resolution=0.5),
        jaxent.Extrema(*[THREE] * len(jaxent.Extrema._fields)),
        jaxent.AtomNumbers((1, 2), (0.5, 0.5)),
        jaxent.FluctuatingLogNegativity(1.0, 0.0, -0.5),
        jaxent.Jitter(0.1, 0.2, "spin"),
        jaxent.LabelledState(jnp.eye(2), CHAIN, {"n_systems": 2}),
        jaxent.LogNegativityWithErrors(1.0, "band", *[1e-4] * (len(jaxent.LogNegativityWithErrors._fields) - 2)),
        jaxent.magic_times(9),
        jaxent.Measurement(1.5, (0.1, 0.2), 0.0, lost=2),
        jaxent.MeasuredState(*[jnp.eye(2)] * len(jaxent.MeasuredState._fields)),
        jaxent.Optimum(1.0, 0.0, THREE, 0.7, 1e-9, History(THREE, THREE, THREE, THREE)),
        jaxent.OutcomeAverage(*[jnp.asarray(0.5)] * len(jaxent.OutcomeAverage._fields)),
        jaxent.ReachedTimes(*[THREE] * len(jaxent.ReachedTimes._fields)),
        jaxent.Sensitivities(jnp.asarray(1.0), {"time": jnp.asarray(2.0)}),
        jaxent.Span(0, "pi/2", 7),
        jaxent.Sweep(["entropy"], n_atoms=[5, 10], time=jaxent.Span(0.1, 1.0, 3)),
    ]


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {version}": lambda value, v=version: pickle.loads(pickle.dumps(value, v)) for version in (2, 5)},
}


def parts(value):
    """What an object is made of."""
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, BaseException):
        return {"args": value.args, **vars(value)}
    if isinstance(value, dict):
        return value
    return dict(enumerate(value)) if isinstance(value, tuple | list) else None


def same(left, right):
    """Whether two objects are of one type, with equal parts."""
    if type(left) is not type(right):
        return False
    if parts(left) is None:
        return np.array_equal(left, right) if hasattr(left, "shape") else left == right
    here, there = parts(left), parts(right)
    return here.keys() == there.keys() and all(same(here[key], there[key]) for key in here)


def modules():
    for found in pkgutil.walk_packages(jaxent.__path__, "jaxent."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def test_every_exception_of_the_package_is_tried():
    defined = {
        value
        for module in modules()
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BaseException) and value.__module__.startswith("jaxent")
    }
    assert {type(error) for error in EXCEPTIONS} == defined


def test_every_public_class_is_tried():
    public = {getattr(jaxent, name) for name in jaxent.__all__}
    classes = {value for value in public if isinstance(value, type)} - {jaxent.OptimizationError}
    assert {type(value) for value in objects()} == classes


@pytest.mark.parametrize("way", COPIES)
def test_copies_are_equal_part_by_part(way):
    changed = [value for value in objects() + EXCEPTIONS if not same(COPIES[way](value), value)]
    assert changed == []


def failing(number):
    raise EXCEPTIONS[number]


def test_errors_of_a_pool_come_back_instead_of_keeping_it_waiting():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for number, error in enumerate(EXCEPTIONS):
            with pytest.raises(type(error)) as raised:
                pool.apply_async(failing, (number,)).get(timeout=100)
            assert same(parts(raised.value)["args"], error.args)
