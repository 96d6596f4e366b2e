"""From kilohertz and milliseconds to t and γ: units, the factors of T2, reached times, refusals."""

import json
import math

import jax
import numpy as np
import pytest
from scipy.linalg import expm

import jaxent
from jaxent import Chain, Experiment, dicke, unit_texts
from jaxent.analysis import experiment
from jaxent.cli.main import main


@pytest.mark.parametrize(
    ("text", "radians"),
    [
        ("2kHz", 4000 * math.pi),
        ("2 kHz", 4000 * math.pi),
        (" 2e3Hz ", 4000 * math.pi),
        ("2pi*2kHz", 4000 * math.pi),
        ("2π × 2000 1/s", 4000 * math.pi),
        ("2krad/s", 2000.0),
        ("2/ms", 2000.0),
        (".5 s^-1", 0.5),
        ("3 s⁻¹", 3.0),
        (7.5, 7.5),
    ],
)
def test_couplings_are_read(text, radians):
    assert unit_texts.angular_frequency("coupling", text) == pytest.approx(radians, rel=1e-14)


def test_rates_and_durations_are_read():
    assert unit_texts.rate("loss", "0.1Hz") == unit_texts.rate("loss", "0.1/s") == unit_texts.rate("loss", 0.1) == 0.1
    assert unit_texts.rate("loss", "2pi*0.1Hz") == pytest.approx(0.2 * math.pi)
    assert unit_texts.rate("loss", "6/min") == pytest.approx(0.1)
    assert unit_texts.duration("t2", "5ms") == pytest.approx(5e-3)
    assert [unit_texts.duration("t2", text) for text in ("5µs", "5μs", "5us")] == pytest.approx([5e-6] * 3)
    assert unit_texts.duration("t2", "2 min") == 120.0


def test_one_hand_calculation():
    """g = 2π · 2000/s: t = 1 is 79.58 µs, γ = 1/(2 · 12566 · 0.005) = 1/125.66, Γ = 0.1/12566."""
    found = Experiment("2kHz", 10_000, t2="5ms", atom_t2="50ms", loss="0.1Hz", resolution=20)
    assert found.time_unit == pytest.approx(79.577e-6, rel=1e-4)
    assert found.dephasing_rate == pytest.approx(1 / 125.66, rel=1e-4)
    assert found.atom_dephasing_rate == pytest.approx(1 / 1256.6, rel=1e-4)
    assert found.atom_loss_rate == pytest.approx(0.1 / 12566.4, rel=1e-4)
    assert found.measurement == jaxent.Measurement(20.0, found.atom_dephasing_rate, found.atom_loss_rate)
    assert found.chain == Chain(3, 10_000)
    assert Experiment("2kHz", 10).measurement is None
    assert Experiment("2kHz", 10).dephasing_rate == 0.0
    assert len(found.not_modelled) == 8
    assert hash(found) == hash(Experiment("2kHz", 10_000, t2="5ms", atom_t2="50ms", loss="0.1Hz", resolution=20))


def test_the_collective_spin_falls_to_1_over_e_in_t2():
    """Through the master equation (29) alone: the middle ensemble of a chain that is not coupled in time t."""
    n_atoms, coupling, t2 = 3, 2.0, 0.3
    gamma = Experiment(coupling, n_atoms, t2=t2).dephasing_rate
    spin_z = np.asarray(dicke.spin_z(n_atoms))
    one = np.eye(n_atoms + 1)
    # (29) of one ensemble as a matrix over ρ, rows first
    generator = -(gamma / 2) * (
        np.kron(spin_z @ spin_z, one) - 2 * np.kron(spin_z, spin_z) + np.kron(one, spin_z @ spin_z)
    )
    root = np.exp(np.asarray(dicke.log_weights(n_atoms)) / 2)
    rho = (expm(generator * coupling * t2) @ np.outer(root, root).ravel()).reshape(one.shape)
    spin_x = np.asarray(dicke.spin_x(n_atoms))
    assert np.trace(rho @ spin_x) / n_atoms == pytest.approx(1 / math.e, rel=1e-12)


def test_a_single_atom_falls_to_1_over_e_in_its_t2():
    """Jump √γ_1 σ_z: dρ/dt = γ_1 (σ_z ρ σ_z - ρ)."""
    found = Experiment(2.0, 3, atom_t2=0.3).atom_dephasing_rate
    sigma_z = np.diag([1.0, -1.0])
    generator = found * (np.kron(sigma_z, sigma_z) - np.eye(4))
    rho = (expm(generator * 2.0 * 0.3) @ np.full(4, 0.5)).reshape(2, 2)
    assert 2 * rho[0, 1] == pytest.approx(1 / math.e, rel=1e-12)


def test_reached_times_are_log_negativities_of_typical_records():
    mine = Experiment("1/s", 12, t2="20s", resolution=0.5)
    shares = []
    found = jaxent.reached_times(mine, [2, 3], report=shares.append)
    assert shares[-1] == 1.0
    for place, r in enumerate((2, 3)):
        for name, time in (("log_negativity", 2 * math.pi / r), ("generic", 2 * math.pi / (r + (3 - 5**0.5) / 2))):
            record = 12 * math.cos(time / 8) ** 2
            expected = blurred(12, time, 0.025, record, 0.5)
            assert getattr(found, name)[place] == pytest.approx(expected, abs=1e-8)
    np.testing.assert_allclose(found.seconds, [math.pi, 2 * math.pi / 3])
    np.testing.assert_allclose(found.strength, [0.025 * math.pi * 4, 0.025 * math.pi * 6])
    np.testing.assert_allclose(found.rate, 0.025)
    assert found.reached.tolist() == [bits >= math.log2(r) - 0.5 for r, bits in zip((2, 3), found[4], strict=True)]


def blurred(n_atoms: int, time: float, rate: float, record: float, sigma: float) -> float:
    """The log negativity of the states of all counts q, mixed by p_q and their likelihoods."""
    chain, total = Chain(3, n_atoms), 0.0
    for count in range(n_atoms + 1):
        arguments = (chain, time, rate, count, time / 4)
        weight = math.exp(-((record - count) ** 2) / (2 * sigma**2))
        if weight > 1e-30:
            weight *= math.exp(jaxent.dephased_log_probability(*arguments))
            total = total + weight * np.asarray(jaxent.end_to_end_state(*arguments))
    return float(jaxent.log_negativity_dm(total / np.einsum("abab", total)))


def test_noise_decides_what_is_reached():
    weak, strong = (jaxent.reached_times(Experiment("1/s", 20, t2=t2), [2]) for t2 in ("100s", "1s"))
    assert weak.reached.tolist() == [True]
    assert strong.reached.tolist() == [False]


def test_atoms_that_are_too_pure_are_computed_at_a_larger_rate():
    """The value is within the tolerance of log2 r all the same."""
    found = jaxent.reached_times(Experiment("1/s", 10**4, t2="1h", resolution=5), [2])
    assert found.rate[0] == pytest.approx(10 / (10**4 * math.pi))
    assert found.strength[0] == pytest.approx(math.pi * 4 / 7200)
    assert found.log_negativity[0] == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"coupling": "-2kHz"}, "`coupling` must be a positive frequency like 2kHz .*, but is '-2kHz'"),
        ({"coupling": "2km"}, "`coupling` must be a positive frequency"),
        ({"coupling": "2000"}, "`coupling` must be a positive frequency"),
        ({"coupling": "0Hz"}, "`coupling` must be a positive frequency"),
        ({"coupling": "9" * 1000 + "Hz"}, "`coupling` must be a positive frequency"),
        ({"t2": "5kHz"}, "`t2` must be a positive duration like 5ms, but is '5kHz'"),
        ({"t2": "2pi*5ms"}, "`t2` must be a positive duration"),
        ({"t2": -1.0}, "`t2` must be a positive duration"),
        ({"atom_t2": "0s"}, "`atom_t2` must be a positive duration"),
        ({"loss": "-0.1Hz"}, r"`loss` must be a rate of at least 0 like 0\.1/s .*, but is '-0\.1Hz'"),
        ({"loss": "5ms"}, "`loss` must be a rate"),
        ({"resolution": -1}, "`resolution` must be finite and at least 0"),
        ({"n_atoms": 2.5}, "`n_atoms` must be an integer"),
    ],
)
def test_nonsense_is_one_sentence(wrong, words):
    with pytest.raises(ValueError, match=words) as raised:
        Experiment(**{"coupling": "2kHz", "n_atoms": 10} | wrong)
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: jaxent.reached_times(Experiment(1.0, 9, n_ensembles=4)), "of three ensembles here"),
        (lambda: jaxent.reached_times(Experiment(1.0, 9), [1]), "`levels` must be an integer of at least 2"),
        (lambda: jaxent.reached_times(Experiment(1.0, 9), [13]), "`levels` must be at most 12"),
        (lambda: jaxent.reached_times(Experiment(1.0, 9), []), "`levels` must be a list of integers"),
        (lambda: jaxent.reached_times(Experiment(1.0, 9), [2], tolerance=0.0), "`tolerance` must be positive"),
    ],
)
def test_reached_times_refuse_by_name(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_the_command_prints_what_python_gives(capsys):
    words = ["units", "--coupling", "2Hz", "--t2", "0.5s", "--loss", "0.1Hz", "-n", "6", "--levels", "2"]
    words += ["--resolution", "0.5"]
    with pytest.raises(SystemExit, match="0"):
        main([*words, "--json"])
    found = json.loads(capsys.readouterr().out)
    mine = Experiment("2Hz", 6, t2="0.5s", loss="0.1Hz", resolution=0.5)
    expected = jaxent.reached_times(mine, [2])
    assert found["time_unit_s"] == mine.time_unit
    assert found["dephasing_rate"] == mine.dephasing_rate
    assert found["magic_times"]["time"] == ["pi"]
    assert found["magic_times"]["log_negativity"] == pytest.approx(expected.log_negativity.tolist(), abs=1e-12)
    assert found["magic_times"]["reached"] == expected.reached.tolist()
    assert found["not_modelled"] == list(experiment.NOT_MODELLED)
    with pytest.raises(SystemExit, match="0"):
        main(words)
    printed = capsys.readouterr().out
    assert "0.0795775 s (1/g, g = 12.5664 rad/s)" in printed
    assert all(f"- {sentence}" in printed for sentence in experiment.NOT_MODELLED)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("units --coupling 2kHz --t2=-5ms -n 10", "Argument `t2` must be a positive duration like 5ms, but is '-5ms'."),
        ("units --coupling 5ms -n 10", "Argument `coupling` must be a positive frequency like 2kHz (cycles) or"),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(words, sentence, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(words.split())
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def test_an_experiment_is_static_under_transformations():
    mine = Experiment("1/s", 5, t2="20s")
    value = jax.jit(lambda t: jaxent.end_to_end_log_negativity(mine.chain, t, mine.dephasing_rate))(1.0)
    assert float(value) == pytest.approx(float(jaxent.end_to_end_log_negativity(Chain(3, 5), 1.0, 0.025)), rel=1e-12)
