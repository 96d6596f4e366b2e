"""What Python says to a newcomer: wrong calls are one sentence that names the argument, its value and the next step."""

import json
import subprocess
import sys

import pytest

# call → what its message must hold; all are ValueErrors
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
    "jaxent.end_to_end_entropy(CHAIN, 1.0, None, jaxent.pi_fraction(1, 8))": "`phase_offset` must be a number, or",
    "jaxent.end_to_end_log_negativity(1.0, CHAIN, 0.1)": "`chain` must be a jaxent.Chain, such as",
    "jaxent.end_to_end_log_negativity(CHAIN, 1.0, '0.1')": "`dephasing_rate` must be a number, or numbers",
    "jaxent.end_to_end_log_negativity(CHAIN, 1.0, -0.1)": "must be finite and at least 0, but holds -0.1",
    "jaxent.pi_fraction(0.5)": "`numerator` must be of integers, but is 0.5; other times are plain floats",
    "jaxent.state_log_negativity(np.eye(4))": "measures of amplitudes are called entanglement_entropy, log_negativity",
    "jaxent.entanglement_entropy(np.ones((2, 2, 2, 2)))": "the measures of two systems begin with state_",
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
    "jaxent.end_to_end_entropy(jaxent.Chain(3, 1000), 1.0)": "noise beyond 200 atoms; run jax.config.update",
}


@pytest.fixture(scope="module")
def session():
    """What each call says in a Python of its own, without the checks of these tests, in JAX's default precision."""
    code = """if True:
        import json, sys
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
    assert kind == "ValueError"
    assert said.startswith("Argument `")
    assert "\n" not in said
    assert said.endswith(".")
