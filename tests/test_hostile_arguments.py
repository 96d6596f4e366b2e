"""Whatever is given for an argument of a public function, the answer is short: a value, or one sentence."""

import inspect
import json
import subprocess
import sys

import pytest

import jaxent

pytestmark = pytest.mark.usefixtures("quick_compilation")

CODE = """if True:
    import collections, inspect, json, sys, warnings
    import jax, numpy as np
    import jaxent
    from jaxent import dicke
    from jaxent import chain as steps
    warnings.simplefilter("ignore")
    jax.config.update("jax_enable_x64", True)

    CHAIN, TINY, KEY = jaxent.Chain(3, 4), jaxent.Chain(3, 2), jax.random.key(0)
    PLAN = jaxent.plan_entropy(CHAIN, 0.7, 3, 0.3)
    BELL, RHO = np.eye(2), np.eye(4).reshape(2, 2, 2, 2)
    KET, WHOLE = np.ones((3, 3, 3)) / 27**0.5, np.eye(27).reshape((3,) * 6) / 27
    DENSE = dict(chain=CHAIN, time=0.7, outcomes=3, phase_offset=0.3)
    NOISY = dict(chain=TINY, time=0.7, dephasing_rate=0.1, outcomes=1, phase_offset=0.3, collective_rate=0.01)
    AVERAGE = dict(chain=CHAIN, time=0.7, phase_offset=0.3, key=KEY, n_samples=4)
    # public function -> arguments that are right
    def measured(outcomes, **imperfections):
        measurement = jaxent.Measurement(**imperfections)
        return jaxent.end_to_end_log_negativity(TINY, 0.7, 0.1, outcomes, measurement=measurement)

    def jittered(shared, bonds, coupling):
        jitter = jaxent.Jitter(shared, bonds, coupling)
        return jaxent.end_to_end_log_negativity(TINY, 0.7, 0.1, jitter=jitter)

    def husimi_at(**rest):
        return jaxent.end_to_end_husimi(TINY, 0.7, 1.0, 0.3, **rest)

    CALLS = {
        jaxent.Chain: dict(n_ensembles=3, n_atoms=9, window=2.0),
        jaxent.Experiment: dict(
            coupling="2kHz", n_atoms=4, t2="5ms", atom_t2="1s", loss="0.1/s", resolution=0.5, n_ensembles=3
        ),
        jaxent.best_ebit_rate: dict(
            experiment=jaxent.Experiment("2kHz", 2), levels=[2], measurement_time="1us", distance="1km",
            signal_speed=2e8,
        ),
        jaxent.cover_distance: dict(
            experiment=jaxent.Experiment("2kHz", 2), distance="1km", attenuation_length="2km", ensembles=[2],
            levels=[2], measurement_time="1us", signal_speed=2e8,
        ),
        jaxent.ebit_rate: dict(
            experiment=jaxent.Experiment("2kHz", 4), time=jaxent.pi_fraction(1), phase_offset=0.3,
            measurement_time="1us", distance="1km", signal_speed=2e8,
        ),
        jaxent.reached_times: dict(experiment=jaxent.Experiment("2kHz", 4), levels=[2], tolerance=0.1),
        jaxent.PiFraction: dict(numerator=1, denominator=3),
        jaxent.AtomNumbers: dict(values=(2, 3), probabilities=(0.5, 0.5)),
        jaxent.average_decoded_fidelity: AVERAGE | dict(levels=2, numerator=1),
        jaxent.average_entropy: AVERAGE,
        jaxent.average_log_negativity: AVERAGE | dict(chain=TINY, dephasing_rate=0.1, collective_rate=0.01),
        jaxent.chain_for_tolerance: dict(n_atoms=9, time=0.7, tolerance=0.1, outcomes=9, phase_offset=0.0),
        jaxent.coherent_information: dict(rho=RHO),
        jaxent.CollectiveSpinMoments.measured: dict(mean=np.ones(6), covariance=np.eye(6), n_atoms=2, pure=False),
        jaxent.collective_spin_moments: dict(
            chain=TINY, time=0.7, dephasing_rate=0.1, outcomes=1, phase_offset=0.3, measurement=None
        ),
        jaxent.crevasse_grid: dict(n_atoms=3, stop=1.0, points_per_dip=10.0),
        jaxent.decode_outcomes: dict(chain=CHAIN, outcomes=3, levels=2, numerator=1),
        jaxent.decoded_fidelity: DENSE | dict(levels=2, numerator=1),
        jaxent.decoded_target: dict(chain=CHAIN, outcomes=3, levels=2, numerator=1),
        jaxent.dephased_log_probability: NOISY,
        jaxent.end_to_end_amplitudes: DENSE,
        jaxent.end_to_end_coherent_information: NOISY,
        jaxent.end_to_end_entropy: DENSE | dict(tolerance=1e-8),
        jaxent.end_to_end_husimi: dict(
            chain=TINY, time=0.7, theta=1.0, phi=0.3, dephasing_rate=0.1, outcomes=1, phase_offset=0.3, last_state=1,
        ),
        husimi_at: dict(last_direction=(1.0, 0.3), measurement=None),
        jaxent.husimi: dict(state=BELL[0], theta=1.0, phi=0.3, chain=None),
        jaxent.spin_wigner: dict(state=BELL[0], theta=1.0, phi=0.3, chain=None),
        jaxent.planar_wigner: dict(state=np.ones(5), theta=1.0, phi=0.3, chain=None),
        jaxent.tangent_plane: dict(n_atoms=9, x=0.3, y=0.2, centre=0.1),
        jaxent.end_to_end_log_negativity: NOISY | dict(tolerance=None, measurement=None),
        jaxent.end_to_end_renyi_entropy: DENSE | dict(alpha=2.0, tolerance=1e-8),
        jaxent.end_to_end_schmidt_coefficients: DENSE,
        jaxent.end_to_end_state: NOISY,
        jaxent.entanglement_entropy: dict(amplitudes=BELL),
        jaxent.entropy_curve: dict(
            chain=CHAIN, t_min=0.1, t_max=0.5, n_times=3, around=0.1, max_levels=3, tolerance=0.1
        ),
        jaxent.entropy_error_bound: DENSE | dict(chain=jaxent.Chain(3, 9, 2.0)),
        jaxent.entropy_error_estimate: DENSE | dict(chain=jaxent.Chain(3, 9, 2.0)),
        jaxent.entropy_with_errors: DENSE | dict(tolerance=1e-8),
        jaxent.estimate_log_negativity: dict(
            key=KEY, chain=TINY, time=0.7, dephasing_rate=0.1, outcomes=1, phase_offset=0.3, n_probes=8, depth=4
        ),
        jaxent.evolve_density: dict(
            chain=TINY, time=0.1, dephasing_rate=0.1, collective_rate=0.1, drive=0.1, decay_rate=0.1, jump_x_rate=0.1,
            jump_y_rate=0.1, initial=WHOLE, n_steps=2, rtol=1e-3, atol=1e-3, max_steps=9,
        ),
        jaxent.fluctuating_log_negativity: dict(
            numbers=3, time=0.7, dephasing_rate=0.1, missing=1, phase_offset=0.3, known="all", key=KEY, n_samples=4
        ),
        jaxent.find_extrema: dict(
            chain=CHAIN, start=0.5, stop=0.6, outcomes=3, phase_offset=0.3, min_prominence=0.1, points_per_dip=5.0
        ),
        jaxent.half_width: dict(chain=CHAIN, levels=2, numerator=1, change=0.05),
        jaxent.log_negativity: dict(amplitudes=BELL),
        jaxent.log_negativity_with_errors: dict(
            chain=TINY, time=0.7, dephasing_rate=0.1, outcomes=1, phase_offset=0.3, tolerance=1e-3
        ),
        jaxent.log_outcome_probability: DENSE,
        jaxent.macroscopic_log_negativity: dict(time=0.7, dephasing_rate=0.5, phase_offset=0.3, tolerance=1e-3),
        jaxent.magic_times: dict(n_atoms=9, max_levels=3),
        jaxent.maximize: dict(
            objective="average_entropy", chain=CHAIN, time=0.7, phase_offset=0.3, n_starts=1,
            n_steps=1, method="lbfgs", learning_rate=0.1, tolerance=0.1,
        ),
        jaxent.measure_density: dict(chain=TINY, rho=WHOLE, outcomes=1, phase_offset=0.3),
        jaxent.modular_coherent_information: dict(
            chain=TINY, time=jaxent.pi_fraction(1), dephasing_rate=0.1, outcomes=1, phase_offset=0.3, modulus=2,
            register="cell", measurement=None,
        ),
        jaxent.modular_witness: dict(
            chain=TINY, time=jaxent.pi_fraction(1), dephasing_rate=0.1, outcomes=1, phase_offset=0.3, measurement=None
        ),
        jaxent.teleportation_fidelity: dict(
            chain=TINY, time=jaxent.pi_fraction(1), dephasing_rate=0.1, outcomes=1, phase_offset=0.3, measurement=None
        ),
        jaxent.negativity: dict(amplitudes=BELL),
        jaxent.normalized_entropy: dict(entropy=1.0, n_atoms=3),
        jaxent.outcome_probabilities: dict(chain=CHAIN, time=0.7, phase_offset=0.3),
        jaxent.outcome_probability: DENSE,
        jaxent.pi_fraction: dict(numerator=1, denominator=3),
        jaxent.pi_fractions_up_to: dict(max_denominator=3),
        jittered: dict(shared=0.01, bonds=0.01, coupling="spin"),
        measured: dict(resolution=1.5, atom_dephasing_rate=0.1, atom_loss_rate=0.1, lost=0, outcomes=1.5),
        jaxent.plan_entropy: DENSE | dict(tolerance=1e-8),
        jaxent.planned_entropy: dict(plan=PLAN, time=0.7, phase_offset=0.3, alpha=1.0),
        jaxent.purity: dict(rho=BELL),
        jaxent.renyi_entropy: dict(amplitudes=BELL, alpha=2.0),
        jaxent.robustness_table: dict(n_ensembles=[3], n_atoms=[2], dephasing_rates=[0.1], levels=[2], window=None),
        jaxent.sample_outcomes: dict(key=KEY, chain=CHAIN, time=0.7, phase_offset=0.3),
        jaxent.schmidt_coefficients: dict(amplitudes=BELL),
        jaxent.sensitivities: dict(function=jaxent.end_to_end_entropy, chain=CHAIN, time=0.7, phase_offset=0.3),
        jaxent.state_fidelity: dict(rho=RHO, amplitudes=BELL),
        jaxent.log_negativity_dm: dict(rho=RHO),
        jaxent.state_negativity: dict(rho=RHO),
        jaxent.state_renyi_entropy: dict(rho=BELL, alpha=2.0),
        jaxent.textbook_offset: dict(time=jaxent.pi_fraction(2, 3)),
        jaxent.uniform_grid: dict(start=0.1, stop=1.0, n_times=3),
        jaxent.von_neumann_entropy: dict(rho=BELL),
        jaxent.witnesses: dict(moments=jaxent.collective_spin_moments(TINY, 0.7)),
        jaxent.from_qutip: dict(qobj=3, n_systems=2),
        jaxent.from_xarray: dict(data=3),
        jaxent.to_qutip: dict(state=BELL, n_systems=2),
        jaxent.to_xarray: dict(
            state=np.ones((5, 5)), chain=CHAIN, n_systems=2, time=0.7, outcomes=3, phase_offset=0.3, dephasing_rate=0.1,
            collective_rate=0.1,
        ),
        dicke.coherent_state: dict(n_atoms=9, alpha=1.0, beta=0.0, window=2.0),
        dicke.log_weights: dict(n_atoms=9, window=2.0),
        dicke.spin_x: dict(n_atoms=9, window=2.0),
        dicke.window_states: dict(n_atoms=9, window=2.0),
        dicke.x_basis: dict(n_atoms=9, outcome=4, window=2.0),
        steps.apply_phase_offset: dict(chain=TINY, state=KET, phase_offset=0.3),
        steps.evolve: dict(chain=TINY, state=KET, time=0.3),
        steps.initial_state: dict(chain=TINY),
        steps.project_outcomes: dict(chain=TINY, state=KET, outcomes=1),
        steps.reduced_density_matrix: dict(chain=TINY, state=KET, ensemble=2),
    }
    HOSTILE = {
        "a long text": "x" * 10**5,
        "a list of texts": ["x"] * 10**5,
        "10^5000": 10**5000,
        "a dictionary": {"k" * 10**5: 1},
    }
    tried, said = {}, []
    for function, right in CALLS.items():
        tried[function.__module__ + "." + function.__qualname__] = sorted(right)
        for name in right:
            for kind, value in HOSTILE.items():
                try:
                    function(**right | {name: value})
                except Exception as error:
                    said.append((f"{function.__name__}({name} = {kind})", type(error).__name__, str(error)[:1000]))
    print(json.dumps([tried, said]))
    """
RECORDS = {
    *("BandPlan", "BondTimes", "CollectiveSpinMoments", "EnsembleRates", "EntropyCurve", "Jitter"),
    *("Measurement", "OptimizationError", "Witness"),
}
# what works on files has tests of its own
FILES = {"Span", "Sweep", "check_sweep", "keep_compiled_programs", "open_sweep", "read_sweep", "run_sweep"}
MOST = 400


@pytest.fixture(scope="module")
def answers():
    """What each call says in a Python without the checks of these tests."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=500, check=True)
    return json.loads(done.stdout)


def test_every_public_function_is_tried(answers):
    tried = {name.split(".")[-1] for name in answers[0]}
    public = {
        name
        for name in jaxent.__all__
        if inspect.isfunction(getattr(jaxent, name))
        or (inspect.isclass(getattr(jaxent, name)) and not issubclass(getattr(jaxent, name), tuple))
    }
    assert public - tried == RECORDS | FILES


def test_each_refusal_is_one_short_line(answers):
    long = [(call, kind, said) for call, kind, said in answers[1] if len(said) > MOST or "\n" in said or not said]
    assert long == []


def test_each_refusal_is_an_error_of_the_value(answers):
    other = [
        (call, kind, said)
        for call, kind, said in answers[1]
        if kind not in ("ValueError", "ImpossibleOutcomes", "QuestionError", "FileNotFoundError")
    ]
    assert other == []
