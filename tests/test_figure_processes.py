"""Figures computed in processes of their own are those of one process, and no process outlives its work."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import xarray as xr

from jaxent.paper import registry, workers

PAIR = ("protocol", "2")  # the cheapest two


def gone(processes, seconds=20.0) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return not alive


def test_two_processes_give_what_one_gives():
    work = {1: 0.0, 2: 0.0}
    found = {}
    for count in work:
        report = lambda seconds, count=count: work.__setitem__(count, work[count] + seconds)  # noqa: E731
        found[count] = dict(workers.computed(PAIR, True, count, report))
    assert list(found[1]) == list(PAIR)
    assert set(found[2]) == set(PAIR)
    for number in PAIR:
        xr.testing.assert_identical(found[1][number], found[2][number])
    assert work[1] == pytest.approx(work[2])
    assert work[1] == pytest.approx(sum(registry.seconds((number,), True) for number in PAIR))
    assert not multiprocessing.active_children()


def test_an_error_ends_all_processes():
    with pytest.raises(KeyError, match="no such figure"):
        list(workers.computed(("2", "no such figure"), True, 2, lambda seconds: None))
    assert not multiprocessing.active_children()


def test_who_stops_listening_leaves_no_process():
    found = workers.computed(("2", "3"), True, 2, lambda seconds: None)
    assert next(found)[0] in ("2", "3")
    found.close()
    assert not multiprocessing.active_children()


def test_a_process_that_the_system_ends_is_out_of_memory():
    def killing(seconds):
        for process in multiprocessing.active_children():
            process.kill()

    with pytest.raises(MemoryError):
        list(workers.computed(("3", "2"), True, 2, killing))
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_processes_end_with_their_parent(ending, tmp_path):
    command = [sys.executable, "-m", "jaxent", "reproduce", "--figure", "3", "--figure", "2", "--processes", "2"]
    run = subprocess.Popen([*command, "--out", str(tmp_path)], stderr=subprocess.PIPE, text=True)
    parent = psutil.Process(run.pid)
    deadline = time.monotonic() + 60
    while len(parent.children(recursive=True)) < 3 and time.monotonic() < deadline:  # and one that tracks resources
        time.sleep(0.1)
    children = parent.children(recursive=True)
    assert len(children) == 3
    os.kill(run.pid, ending)
    _, error = run.communicate(timeout=20)
    assert gone(children)
    if ending == signal.SIGINT:
        assert run.returncode == 130
        assert error.splitlines()[-1].startswith("jaxent: interrupted; 0 files are written in")
    assert "Traceback" not in error


def test_as_many_processes_as_figures_cores_and_memory(monkeypatch):
    monkeypatch.setattr(workers.threads, "processors", lambda: 8)
    monkeypatch.setattr(workers.memory, "host_bytes", lambda: 100 * 2**30)
    assert workers.most_processes(18) == 8
    assert workers.most_processes(3) == 3
    monkeypatch.setattr(workers.memory, "host_bytes", lambda: 7 * 2**30)
    assert workers.most_processes(18) == 2
    monkeypatch.setattr(workers.memory, "host_bytes", lambda: 2**30)
    assert workers.most_processes(18) == 1


def test_an_accelerator_is_not_divided(monkeypatch):
    class Gpu:
        platform = "gpu"

    monkeypatch.setattr(workers, "default_device", Gpu)
    assert workers.most_processes(18) == 1


@pytest.mark.parametrize("count", ["0", "65"])
def test_a_bad_number_of_processes_is_refused(count, jaxent_command):
    code, out, err = jaxent_command("reproduce", "--processes", count)
    assert (code, out) == (2, "")
    assert err.startswith(f"jaxent: Argument `processes` must be from 1 to 64, but is {count}")
