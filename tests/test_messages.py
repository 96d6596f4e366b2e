"""What Python says to a newcomer: wrong calls are one sentence that names the argument, its value and the next step."""

import json
import subprocess
import sys

import pytest

# call → what its message must hold; all are ValueErrors, or a FileNotFoundError
CALLS = {
    "jaxent.Chain(3, 10.5)": "`n_atoms` must be an integer of at least 1, but is 10.5",
    "jaxent.Chain(3, -5)": "`n_atoms` must be an integer of at least 1, but is -5",
    "jaxent.Chain(3, 100, 'full')": "deviations, or None for all states, but is 'full'",
    "jaxent.Chain(3, 100, 30)": "use window=None for the full basis or a window of at most 10",
    "jaxent.end_to_end_entropy(CHAIN, 'pi/2')": "numbers, but is 'pi/2'; a multiple of π is made by jaxent.pi_fraction",
    "jaxent.end_to_end_entropy(CHAIN, None)": "`time` must be a number, or numbers, but is None",
    "jaxent.end_to_end_entropy(3, 1.0)": "`chain` must be a jaxent.Chain, such as jaxent.Chain(3, 100), but is 3",
    "jaxent.end_to_end_entropy(CHAIN, 1j)": "`time` must be real, but is 1j",
    "jaxent.end_to_end_entropy(CHAIN, 1.0, 'N')": "`outcomes` must be integers, or None for all N, but is 'N'",
    "jaxent.end_to_end_entropy(CHAIN, 1.0, 11)": "`outcomes` must lie in 0…10 (n_atoms), but holds 11",
    "jaxent.end_to_end_entropy(CHAIN, 1.0, None, 'pi/8')": "`phase_offset` must be a number, or numbers, but is 'pi/8'",
    "jaxent.end_to_end_entropy(CHAIN, 1.0, None, jaxent.pi_fraction([1, 2], 8))": "of shape (1,), one per inner",
    "jaxent.end_to_end_log_negativity(1.0, CHAIN, 0.1)": "`chain` must be a jaxent.Chain, such as",
    "jaxent.end_to_end_log_negativity(CHAIN, 1.0, '0.1')": "`dephasing_rate` must be a number, or numbers",
    "jaxent.end_to_end_log_negativity(CHAIN, 1.0, -0.1)": "must be finite and at least 0, but holds -0.1",
    "jaxent.pi_fraction(0.5)": "`numerator` must be of integers, but is 0.5; other times are plain floats",
    "jaxent.log_negativity_dm(np.eye(4))": "measures of amplitudes are called entanglement_entropy, log_negativity",
    "jaxent.entanglement_entropy(np.ones((2, 2, 2, 2)))": "measures of two systems begin with state_ or end with _dm",
    "jaxent.entanglement_entropy('bell')": "`amplitudes` must be a number, or numbers, but is 'bell'",
    "jaxent.entropy_curve(CHAIN, 0, 'pi', 100)": "`t_max` must be a finite number, but is 'pi'",
    "jaxent.entropy_curve(10, 0, 1, 100)": "`chain` must be a jaxent.Chain",
    "jaxent.maximize('entropy', CHAIN, 1.0)": "`objective` must be one of average_entropy",
    "jaxent.maximize('average_entropy', 10, 1.0)": "`chain` must be a jaxent.Chain",
    "jaxent.sample_outcomes(0, CHAIN, 1.0)": "`key` must be a key of JAX, such as jax.random.key(0), but is 0",
    "jaxent.average_entropy(CHAIN, 1.0, key=0)": "`key` must be a key of JAX",
    "jaxent.average_entropy(3, 1.0)": "`chain` must be a jaxent.Chain",
    "jaxent.estimate_log_negativity(0, CHAIN, 1.0, 0.1)": "`key` must be a key of JAX",
    "jaxent.run_sweep('grid.toml', 'out')": "but is 'grid.toml'; a file is read by read_sweep",
    "jaxent.open_sweep('missing')": "which `jaxent sweep` writes, but 'missing' is not there",
    "jaxent.pi_fraction(2**63 + 1, 3)": "`numerator` must be at most 2^62 in magnitude, but is 9223372036854775809; ",
    "jaxent.pi_fraction(np.uint64(2**64 - 1))": "`numerator` must be at most 2^62 in magnitude, but is np.uint64(1844",
    "jaxent.pi_fraction(10**30)": "`numerator` must be at most 2^62 in magnitude, but is 1000000000000",
    "jaxent.pi_fraction(1, 10**30)": "`denominator` must be between 1 and 2^28, but is 1000000000000",
    "jaxent.PiFraction(1, 0)": "`denominator` must be between 1 and 2^28, but is 0; use a float time beyond",
    "jax.grad(lambda p: jaxent.pi_fraction(p, 3).value)(1.0)": "`numerator` must be known, but is traced; make the",
    "jaxent.pi_fractions_up_to(10**6)": "`max_denominator` must be at most 8000, but is 1000000.",
    "jaxent.magic_times(10**30)": "but is left out, which stands for √n_atoms = 1000000000000000.",
    "jaxent.Chain(3, 10**30)": "`n_atoms` must be at most 9007199254740992, but is 1000000000000000000000000000000.",
    "jaxent.Chain(10**30, 3)": "`n_ensembles` must be at most 1000000, but is 1000000000000000000000000000000.",
    "jaxent.Chain(3, 5, 10**400)": "standard deviations, or None for all states, but is an integer of 401 digits.",
    "jaxent.Chain(3, 5, 1e308)": "`window` = 1e+308 spans N/2 ± ",
    "jaxent.Chain(3, 5, True)": "standard deviations, or None for all states, but is True.",
    "jaxent.Chain(3, True)": "`n_atoms` must be an integer of at least 1, but is True.",
    "jaxent.end_to_end_entropy(CHAIN, np.array([2**33]))": "`time` must be at most 1e+06 in magnitude, but holds 8.58",
    "jaxent.end_to_end_entropy(CHAIN, 10**30)": "`time` must be at most 1e+06 in magnitude, but holds 1e+30: its",
    "jaxent.end_to_end_entropy(CHAIN, 10**400)": "`time` must be at most 1e308 in magnitude, but is an integer of 401",
    "jaxent.end_to_end_entropy(CHAIN, True)": "`time` must be real, but is True.",
    "jaxent.end_to_end_entropy(CHAIN, 1.0, 2**40 + 3)": "must lie in 0…10 (n_atoms), but holds 1099511627779.",
    "jaxent.end_to_end_entropy(CHAIN, 1.0, 10**30)": "(n_atoms), but holds 1000000000000000000000000000000.",
    "jaxent.end_to_end_entropy(CHAIN, 1.0, [1, 2, 3])": "but has shape (3,); use jax.vmap for many outcomes.",
    "jaxent.end_to_end_entropy(CHAIN, 1.0, None, 10**30)": "must be at most 1e+15 in magnitude, but holds 1e+30",
    "jaxent.end_to_end_entropy(CHAIN, 1.0, None, True)": "`phase_offset` must be real, but is True.",
    "jaxent.end_to_end_entropy(CHAIN, 1.0, None, [1, 2])": "but has shape (2,); use jax.vmap for many offsets.",
    "jaxent.end_to_end_entropy(jaxent.Chain(2, 5), 1.0, 3)": "must be None for n_ensembles = 2, which has",
    "jaxent.end_to_end_entropy(jaxent.Chain(2, 5), 1.0, None, 0.3)": "must be 0 for n_ensembles = 2, which has",
    "jaxent.end_to_end_entropy(CHAIN, 1.0, tolerance='small')": "`tolerance` must be at least 0, but is 'small'.",
    "jaxent.end_to_end_renyi_entropy(CHAIN, 1.0, '2')": "`alpha` must be a number of at least 0, but is '2'.",
    "jax.jit(lambda a: jaxent.renyi_entropy(np.eye(2), a))(np.ones(2))": "`alpha` must be one real number, but is ",
    "jaxent.end_to_end_log_negativity(CHAIN, 1.0, 10**30)": "`dephasing_rate` must be at most 1e+15, but holds 1e+30.",
    "jaxent.uniform_grid(0, 1, 10**30)": "`n_times` must be at most 100000000, but is 1000000000000000000000000000000.",
    "jaxent.entropy_curve(CHAIN, 0, 1, 10**30)": "`n_times` must be at most 10000000, but is 1000000000000000000000000",
    "jaxent.dicke.x_basis(4, 9)": "`outcome` must lie in 0…4 (n_atoms), but is 9.",
    "jaxent.end_to_end_entropy(jaxent.Chain(3, 1000), 1.0)": "noise beyond 200 atoms; run jax.config.update",
}


@pytest.fixture(scope="module")
def session():
    """What each call says in a Python of its own, without the checks of these tests, in JAX's default precision."""
    code = """if True:
        import json, sys
        import jax
        import numpy as np
        import jaxent
        CHAIN, said = jaxent.Chain(3, 10), {}
        for call in json.loads(sys.argv[1]):
            try:
                eval(call)
            except Exception as error:
                said[call] = [type(error).__mro__[-4].__name__, str(error)]
        print(json.dumps(said))
        """
    command = [sys.executable, "-c", code, json.dumps(list(CALLS))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("call", CALLS)
def test_wrong_calls_are_one_sentence_with_the_next_step(session, call):
    kind, said = session[call]
    assert CALLS[call] in said
    assert kind == ("OSError" if "missing" in call else "ValueError")  # a missing file is a FileNotFoundError
    assert said.startswith("Argument `")
    assert "\n" not in said
    assert said.endswith(".")
