"""Datasets of sweeps in chunks of dask, and what they can be asked."""

import sys

import dask.array
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import jaxent
from jaxent.results import plot_dataset
from jaxent.sweep import export_sweep
from jaxent.sweep.accessor import DatasetAccessor

QUESTION = jaxent.Sweep(["entropy"], n_atoms=[3, 4, 5], time=jaxent.Span(0, "pi", 7))


def test_chunks_hold_the_same_values_whichever_threads_read_them(whole):
    plain = jaxent.open_sweep(whole)
    for chunks, expected in (({}, ((1,) * 3, (3, 3, 1))), ({"time": 2, "n_atoms": 3}, ((3,), (2, 2, 2, 1)))):
        data = jaxent.open_sweep(whole, chunks=chunks)
        assert isinstance(data.entropy.data, dask.array.Array)
        assert data.entropy.chunks == expected
        for _ in range(5):  # threads that read other tiles meanwhile
            found = data.entropy.compute(scheduler="threads", num_workers=8)
            np.testing.assert_array_equal(found, plain.entropy)
    assert float(data.entropy.mean().compute()) == pytest.approx(float(plain.entropy.mean()))


@pytest.mark.parametrize("chunks", [{"phase_offset": 1}, {"time": 0}, {"time": 1.5}])
def test_other_chunks_are_refused(whole, chunks):
    with pytest.raises(ValueError, match=r"^Argument `chunks` must give a positive number of points for axes among "):
        jaxent.open_sweep(whole, chunks=chunks)


def test_without_dask_it_says_what_to_install(whole, monkeypatch):
    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(ImportError, match=r"pip install jaxent\[dask\]"):
        jaxent.open_sweep(whole, chunks={})


def test_a_dataset_knows_its_exact_times_its_question_and_its_plot(whole, tmp_path):
    data = jaxent.open_sweep(whole)
    exported = xr.open_dataset(export_sweep(whole, tmp_path / "all.nc"))
    for one in (data, exported):
        assert isinstance(one.jaxent, DatasetAccessor)
        assert (one.jaxent.times == jaxent.pi_fraction(np.arange(7), 6)).all()
        assert one.jaxent.sweep == QUESTION
        line, direct = one.jaxent.plot(color="red"), plot_dataset(one, color="red")
        for drawn, expected in zip(line.lines, direct.lines, strict=True):
            np.testing.assert_array_equal(drawn.get_xydata(), expected.get_xydata())
            assert drawn.get_color() == "red"
        plt.close("all")
    exported.close()


def test_times_that_are_not_exact_are_numbers():
    curve = jaxent.entropy_curve(jaxent.Chain(3, 4), 0.5, 1.0, 3, max_levels=1).to_xarray()
    np.testing.assert_array_equal(curve.jaxent.times, curve.time)


def test_a_dataset_that_is_not_of_a_sweep_says_so():
    other = xr.Dataset({"x": ("y", [1.0])})
    with pytest.raises(ValueError, match=r"^The dataset must have one time for all bonds, but has "):
        _ = other.jaxent.times
    for question in ({}, {"question": "see sweep.json"}, {"question": "[1]"}, {"question": 3}):
        with pytest.raises(ValueError, match=r"^Attribute `question` must be that of a sweep of jaxent, but is "):
            _ = other.assign_attrs(question).jaxent.sweep
