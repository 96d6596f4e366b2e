"""Results in one line, as tables, plots and datasets: what they show is what they hold."""

import re
import sys

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from test_pickles import objects

import jaxent
from jaxent.analysis.optimize import History

mpl.use("Agg")
TIMES = np.array([0.5, 1.0, 1.5])
CURVE = jaxent.EntropyCurve(
    TIMES, TIMES - 1, np.array([1.25, 1.0, 2.0]), np.array([0, 2, 0]), np.array([1e-9, 0, np.nan])
)
EXTREMA = jaxent.Extrema(TIMES, np.array([2.5, 1.0, 2.25]), np.array([True, False, True]), TIMES, np.array([0, 3, 0]))
PAST = np.array([[1.0, 1.5], [1.25, 1.75], [1.5, 1.75]])
OPTIMUM = jaxent.Optimum(1.75, 0.25, np.array([0.5]), 2.0, 1e-9, History(PAST, PAST, PAST[..., None], PAST))
MOMENTS = jaxent.CollectiveSpinMoments.measured(np.arange(6.0), np.diag(np.arange(1.0, 7.0)), 10, pure=True)
MAGIC = jaxent.magic_times(9)
PLOTTED = {"curve": CURVE, "extrema": EXTREMA, "optimum": OPTIMUM, "history": OPTIMUM.history}
PLOTTED |= {"moments": MOMENTS, "magic": MAGIC}
RATE = jaxent.EbitRate(2500.0, 0.5, 2e-4, 1e-3)
COVERAGE = jaxent.Coverage(
    np.array([2, 3]),
    np.array([1e4, 5e3]),
    np.array([10.0, 20.0]),
    np.array([0.1, 0.05]),
    np.array([2, 4]),
    np.array([5.0, 7.5]),
    (RATE, RATE),
    3,
)
REACHED = jaxent.ReachedTimes(
    np.array([2, 4]),
    jaxent.pi_fraction(2, np.array([2, 4])),
    np.array([1.0, 0.5]),
    np.array([0.1, 0.2]),
    np.array([1.0, 1.5]),
    np.array([0.5, 1.75]),
    np.array([0.01, 0.01]),
    np.array([True, False]),
)
PLOTTED |= {"coverage": COVERAGE, "reached": REACHED}
PARTS = [np.array([0.0, 1e-3])] * 6
NO = jnp.asarray(False)
STATES = ("LabelledState", "MeasuredState", "EnsembleRates")  # arrays as they are


@pytest.fixture(autouse=True)
def _no_figure_is_left_open():
    yield
    plt.close("all")


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (CURVE, "<EntropyCurve: 3 points, t = 0.5 … 1.5 /coupling, E = 1 … 2 bits, error up to 1e-09 bits>"),
        (EXTREMA, "<Extrema: 3 peaks and dips, t = 0.5 … 1.5 /coupling, E = 1 … 2.5 bits>"),
        (MAGIC, "<MagicTimes: 2 magic times, t = 2π/3 … π /coupling, r = 2 … 3, log₂ r = 1 … 1.585 bits>"),
        (OPTIMUM, "<Optimum: 1.75 ± 0.25, φ = 0.5 rad, t = 2 /coupling, 3 steps of 2 starts>"),
        (OPTIMUM.history, "<History: 3 steps of 2 starts, objective = 1 … 1.75>"),
        (MOMENTS, "<CollectiveSpinMoments: N = 10, ⟨S_1⟩ = (0, 1, 2), ⟨S_M⟩ = (3, 4, 5), pure>"),
        (
            jaxent.LogNegativityWithErrors(1.5, "band", 1e-4, 1e-4, 0.0, 0.0, 0.0, 0.0),
            "<LogNegativityWithErrors: E = 1.5 ± 0.0002 bits, band>",
        ),
        (
            jaxent.LogNegativityWithErrors(
                np.array([1.5, 2.0]), np.array(["band", "dense"]), *[np.array([0.0, 1e-3])] * 6
            ),
            "<LogNegativityWithErrors: 2 values, E = 1.5 … 2 bits, error up to 0.006 bits, band, dense>",
        ),
        (
            jaxent.EntropyWithErrors(*[jnp.asarray(x) for x in (2.0, 1e-3, 0.0, 0.0, 1e-3, -1.0)]),
            "<EntropyWithErrors: E = 2 ± 0.002 bits, ln p = -1>",
        ),
        (RATE, "<EbitRate: 2500 ebits/s, 0.5 ± 0.001 ebits/attempt, attempt = 0.0002 s>"),
        (
            jaxent.BestEbitRate(RATE, 4, jaxent.pi_fraction(1, 2), 0.25, np.array([1.0])),
            "<BestEbitRate: 2500 ebits/s, r = 4, t = π/2 /coupling, φ = 0.25 rad>",
        ),
        (COVERAGE, "<Coverage: 2 numbers of ensembles, M = 2 … 3, spacing = 5000 … 10000 m, 5 … 7.5 ebits/s>"),
        (REACHED, "<ReachedTimes: 2 magic times, r = 2 … 4, t = π … π/2 /coupling, E = 1 … 1.5 bits>"),
        (jaxent.OutcomeAverage(1.5, 0.0, 1.0), "<OutcomeAverage: 1.5, p = 1>"),
        (
            jaxent.EstimatedLogNegativity(1.5, 0.01, 0.002),
            "<EstimatedLogNegativity: E = 1.5 ± 0.01 bits, error of the depth = 0.002 bits>",
        ),
        (jaxent.FluctuatingLogNegativity(1.5, 0.0, -2.0), "<FluctuatingLogNegativity: E = 1.5 bits, ln p = -2>"),
        (
            jaxent.Witness(jnp.asarray(0.5), 1.0, jnp.asarray(True), "Duan", "entanglement of the ends", "a paper"),
            "<Witness: Duan, 0.5 < 1, entanglement of the ends>",
        ),
        (
            jaxent.Witness(jnp.asarray(0.9), 1.0, NO, "Fisher", "entanglement", "a paper", smaller=False),
            "<Witness: Fisher, 0.9 is not above 1, proves nothing>",
        ),
        (
            jaxent.ModularWitness(jnp.asarray(3), jnp.asarray(1.5), jnp.asarray(0.9), jnp.asarray([1.0, 0.9])),
            "<ModularWitness: Schmidt number = 3, log negativity ≥ 1.5 bits, fidelity ≥ 0.9>",
        ),
        (
            jaxent.Sweep(["entropy"], n_atoms=[5, 10], time=jaxent.Span(0.1, 1.0, 300)),
            "<Sweep of entropy: 600 points (2 n_atoms × 300 time), M = 3>",
        ),
    ],
)
def test_results_read_as_one_line(result, said):
    assert repr(result) == said


def test_no_public_object_fills_a_screen():
    plan = jaxent.plan_entropy(jaxent.Chain(3, 10**4), 1.0)
    assert re.fullmatch(
        r"<BandPlan: M = 3, N = 10000, t = 1 /coupling, q = 10000, \d+ states in a band of \d+, .*>", repr(plan)
    )
    for value in [*objects(), plan]:
        if type(value).__name__ not in (
            "LabelledState",
            "MeasuredState",
            "ReachedTimes",
            "BestEbitRate",
            "EnsembleRates",
        ):
            assert len(repr(value)) < 250, repr(value)


def test_tables_hold_the_values_of_each_row():
    found = CURVE._repr_html_()
    assert found.count("<tr>") == 4
    assert "<th>entanglement of the ends E (bits)</th>" in found
    assert "<td>0.5</td><td>1.25</td><td>1e-09</td><td>0</td><td>-0.5</td>" in found
    many = jaxent.magic_times(2000)._repr_html_()
    assert many.count("<tr>") == 14
    assert "…</td>" in many
    assert "<th>S_y1</th><td>0</td><td>2</td>" in MOMENTS._repr_html_()
    odd = jaxent.Witness(jnp.asarray(0.5), 1.0, jnp.asarray(True), "<b>", "&", "a paper")._repr_html_()
    assert "<b>" not in odd


def test_plots_draw_what_results_hold():
    even, dips = CURVE.plot(color="red").get_lines()
    np.testing.assert_allclose(even.get_xydata(), np.column_stack([[0.5, 1.5], [1.25, 2.0]]) / [np.pi, 1])
    np.testing.assert_allclose(dips.get_xydata(), [[1.0 / np.pi, 1.0]])
    assert (even.get_color(), dips.get_color(), dips.get_linestyle()) == ("red", "red", "None")
    peaks, dips = EXTREMA.plot().get_lines()
    np.testing.assert_allclose(peaks.get_ydata(), [2.5, 2.25])
    np.testing.assert_allclose(dips.get_ydata(), [1.0])
    axes = MAGIC.plot()
    np.testing.assert_allclose(axes.get_lines()[0].get_xdata(), MAGIC.time.value / np.pi)
    assert [text.get_text() for text in axes.texts] == [str(time) for time in MAGIC.time]
    assert "π" in axes.get_xlabel()
    assert "(bits)" in axes.get_ylabel()
    for start, drawn in enumerate(OPTIMUM.plot().get_lines()):
        np.testing.assert_array_equal(drawn.get_xydata(), np.column_stack([[1, 2, 3], PAST[:, start]]))
    np.testing.assert_array_equal(MOMENTS.plot().get_images()[0].get_array(), np.diag(np.arange(1.0, 7.0)))


@pytest.mark.parametrize("name", PLOTTED)
def test_plots_go_into_the_axes_that_are_given(name):
    axes = plt.figure().subplots()
    assert PLOTTED[name].plot(ax=axes) is axes
    assert mpl.rcParams["axes.spines.top"]  # the style of the plot is not left behind


def test_datasets_have_units_and_exact_times():
    data = CURVE.to_xarray()
    assert data.entropy.dims == ("time",)
    assert (data.entropy.attrs["units"], data.time.attrs["units"]) == ("bit", "1/coupling")
    np.testing.assert_array_equal(data.entropy, CURVE.entropy)
    np.testing.assert_array_equal(data.levels, CURVE.levels)
    exact = MAGIC.to_xarray()
    assert exact.time_numerator.values.tolist() == MAGIC.time.numerator.tolist()
    assert exact.time_denominator.values.tolist() == MAGIC.time.denominator.tolist()
    found = MOMENTS.to_xarray()
    assert found.covariance.sel(spin="S_zM", spin_2="S_zM") == 6.0
    assert found["mean"].sel(spin="S_x1") == 0.0
    together = found.sums_and_differences.sel(combination="S_x1 + S_xM", combination_2="S_x1 - S_xM")
    assert together == 1.0 - 4.0
    past = OPTIMUM.to_xarray()
    assert (past.value, past.standard_error, past.history_value.sel(step=2, start=1)) == (1.75, 0.25, 1.75)
    assert EXTREMA.to_xarray().is_peak.values.tolist() == [True, False, True]
    assert OPTIMUM.history.to_xarray().phase_offset.dims == ("step", "start", "inner_ensemble")


def test_a_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(
        ImportError, match="The package xarray is not installed, which this needs; run: pip install xarray"
    ):
        CURVE.to_xarray()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="The package matplotlib is not installed"):
        CURVE.plot()


def test_under_transformations_results_are_as_before():
    texts = []

    def traced(time):
        moments = jaxent.collective_spin_moments(jaxent.Chain(3, 6), time)
        texts.append((repr(moments), moments._repr_html_()))
        with pytest.raises(ValueError, match="must be known, but are traced"):
            moments.plot()
        return moments

    single = jax.jit(traced)(0.3)
    assert texts[0][0].startswith("CollectiveSpinMoments(mean=")
    assert texts[0][1].startswith("<pre>CollectiveSpinMoments")
    np.testing.assert_allclose(single.mean, jaxent.collective_spin_moments(jaxent.Chain(3, 6), 0.3).mean, atol=1e-12)
    several = jaxent.Witness(jnp.asarray(0.5), 1.0, NO, "Duan", "entanglement", "a paper")
    for name, value in (("value", jnp.asarray([0.5, 2.0])), ("violated", jnp.asarray([True, False]))):
        object.__setattr__(several, name, value)  # as vmap makes it
    assert repr(several) == "<Witness: 2 values, 1 violate the bound of 1 of Duan>"
    objects_instead = jax.tree.map(lambda _: None, OPTIMUM)
    assert repr(objects_instead).startswith("Optimum(value=None")


def test_the_results_of_a_sweep_are_drawn_with_a_line_for_each_value(tmp_path):
    question = jaxent.Sweep(["entropy"], n_atoms=[3, 5], time=[0.5, 1.0, 1.5], outcomes=["N", "N-1"])
    done = jaxent.run_sweep(question, tmp_path / "here")
    assert repr(done) == f"<SweepRun: 12 points in {tmp_path / 'here'}, 12 of them computed now>"
    data = done.to_xarray()
    axes = done.plot()
    for n_atoms, drawn in zip((3, 5), axes.get_lines(), strict=True):
        wanted = jaxent.end_to_end_entropy(jaxent.Chain(3, n_atoms), TIMES)
        np.testing.assert_allclose(drawn.get_xydata(), np.column_stack([TIMES / np.pi, wanted]), atol=1e-12)
        assert drawn.get_label() == f"n_atoms = {n_atoms}"
    assert axes.get_title(loc="left") == "outcomes = N"
    assert "bit" in axes.get_ylabel()
    assert data.entropy.attrs["units"] == "bit"
    assert done.plot(x="n_atoms").get_lines()[0].get_xdata().tolist() == [3, 5]
    with pytest.raises(ValueError, match="`quantity` must be one of entropy, entropy_error, but is 'entropi'"):
        done.plot("entropi")
    with pytest.raises(ValueError, match="`x` must be one of time, n_atoms, outcomes, but is 'window'"):
        done.plot(x="window")
