"""LAPACK runs on one thread inside the library's calls, and as before outside."""

import concurrent.futures
import os
import subprocess
import sys
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import threadpoolctl

import jaxent
from jaxent import spectral
from jaxent.runtime import execution, threads


def n_threads() -> int:
    """Threads of the LAPACK that jaxlib calls, which is scipy's."""
    found = [one for one in threadpoolctl.threadpool_info() if "scipy" in one["filepath"]]
    return max(one["num_threads"] for one in found)


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    """Nobody has asked for a number, and LAPACK has two threads."""
    for name in threads._ASKED_FOR:
        monkeypatch.delenv(name, raising=False)
    with threads.one_lapack_thread():
        pass  # loads the library
    with threadpoolctl.threadpool_limits(2):
        yield


def test_a_program_is_computed_on_one_thread():
    seen = []

    @jax.jit
    def program(x):
        def look(value):
            seen.append(n_threads())
            return np.asarray(value)

        return jax.pure_callback(look, jax.ShapeDtypeStruct((), x.dtype), jnp.sum(spectral.eigvalsh(x)))

    execution.call(program, jnp.eye(20), what="A matrix", instead="use none")
    assert seen == [1]
    assert n_threads() == 2


@pytest.mark.parametrize(
    "call",
    [
        lambda: jaxent.end_to_end_entropy(jaxent.Chain(3, 6), 0.7),
        lambda: jaxent.end_to_end_log_negativity(jaxent.Chain(3, 4), 0.7, 0.1),
        lambda: jaxent.average_entropy(jaxent.Chain(3, 6), 0.7),
        lambda: jaxent.entanglement_entropy(np.eye(3)),
        lambda: jaxent.log_negativity_dm(np.eye(4).reshape(2, 2, 2, 2)),
    ],
)
def test_public_functions_bind_and_set_back(call, monkeypatch):
    seen = []
    bind = threads._set
    monkeypatch.setattr(threads, "_set", lambda numbers: (seen.append(max(numbers)), bind(numbers)))
    call()
    assert set(seen[0::2]) == {1}
    assert set(seen[1::2]) == {2}
    assert n_threads() == 2


def test_a_call_that_goes_on_keeps_the_number():
    inside, leave = threading.Event(), threading.Event()

    def long_call():
        with threads.one_lapack_thread():
            inside.set()
            leave.wait(30)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with threads.one_lapack_thread():
            result = pool.submit(long_call)
            assert inside.wait(30)
        still = n_threads()
        leave.set()
        result.result()
    assert still == 1
    with threads.one_lapack_thread():
        assert n_threads() == 1
    assert n_threads() == 2  # set back by this thread where the other was not able to


def test_an_error_sets_the_number_back():
    with pytest.raises(ValueError, match="`amplitudes` must be"):
        jaxent.entanglement_entropy(np.zeros((2, 2)))
    assert n_threads() == 2


def test_a_number_that_is_asked_for_is_left_alone(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    with threads.one_lapack_thread():
        assert n_threads() == 2


def test_calls_from_other_threads_are_bound_after_calls_from_the_main_thread():
    """In a process of its own: here the fixture has set the number from the main thread."""
    script = """
import threading
import threadpoolctl
from jaxent.runtime import threads

def number():
    return {one["num_threads"] for one in threadpoolctl.threadpool_info() if "scipy" in one["filepath"]}

def call():
    with threads.one_lapack_thread():
        print(*number())

def limited():
    threadpoolctl.threadpool_limits(2)
    call()
    print(*number())

call()  # loads the library, and sets it
for function in (limited, call):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()
"""
    environment = {name: value for name, value in os.environ.items() if name not in threads._ASKED_FOR}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["1", "1", "2", "1"]


# ------------------------------------------------------------------ side by side


@pytest.fixture
def two_processors(monkeypatch):
    monkeypatch.setattr(threads, "processors", lambda: 2)


def test_calls_run_at_the_same_time_and_say_whose_result_it_is(two_processors):
    meeting = threading.Barrier(2, timeout=60)  # broken if only one call comes

    def meet(item):
        meeting.wait()
        return 10 * item

    assert sorted(threads.side_by_side(meet, [0, 1, 2, 3], 9)) == [(0, 0), (1, 10), (2, 20), (3, 30)]
    assert list(threads.side_by_side(meet, [], 9)) == []


def test_no_more_calls_run_at_a_time_than_have_memory(two_processors):
    running = []

    def alone(item):
        running.append(threading.get_ident())
        return item

    assert list(threads.side_by_side(alone, [1, 2, 3], 1)) == [(0, 1), (1, 2), (2, 3)]
    assert set(running) == {threading.get_ident()}


@pytest.mark.parametrize("double", [True, False])
def test_threads_compute_in_the_precision_of_the_caller(two_processors, double):
    device = jax.devices()[0]
    with threads._precision(double), jax.default_device(device):
        found = dict(
            threads.side_by_side(lambda x: (jnp.asarray(x).dtype, jax.config.jax_default_device), [0.1, 0.2], 9)
        )
    assert found == dict.fromkeys(range(2), (jnp.dtype("float64" if double else "float32"), device))


@pytest.fixture
def closing(monkeypatch):
    """An event, set once the calls that have not started are cancelled: those that wait for it cannot overtake that."""
    event = threading.Event()

    class Pool(threads.ThreadPoolExecutor):
        def __exit__(self, *error):
            event.set()
            return super().__exit__(*error)

    monkeypatch.setattr(threads, "ThreadPoolExecutor", Pool)
    return event


def test_after_an_error_no_more_calls_start(two_processors, closing):
    started = []

    def fail(item):
        started.append(item)
        if item:
            closing.wait(60)
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 0"):
        list(threads.side_by_side(fail, range(1000), 9))
    assert sorted(started) in ([0, 1], [0, 1, 2])


def test_who_stops_listening_stops_the_calls(two_processors, closing):
    started = []

    def start(item):
        started.append(item)
        if item:
            closing.wait(60)

    results = threads.side_by_side(start, range(1000), 9)
    assert next(results) == (0, None)
    results.close()
    assert sorted(started) in ([0, 1], [0, 1, 2])
    assert n_threads() == 2
