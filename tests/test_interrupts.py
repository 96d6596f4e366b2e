"""Ctrl-C and SIGTERM: one sentence, at once, whatever the process is at; and what is finished is kept."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import jaxent

GRID = 'quantities = ["outcome_probability"]\nn_atoms = 3\ntime = { start = 0.1, stop = 3, count = 4000 }\n'

# the main thread is in compiled code that nothing interrupts, as in a long computation
STUCK = """
import hashlib, sys
from pathlib import Path
from jaxent.runtime import interrupts
from jaxent.sweep.files import save
def forever(path):
    path.write_text("half")
    print("computing", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
with interrupts.watched(), interrupts.farewell(lambda: ("the rest is kept.", '{"event": "interrupted"}')):
    if sys.argv[1:]:
        save(Path(sys.argv[1]), forever)
    forever(Path("/dev/null"))
"""


def interrupted(command, number, ready, times=1):
    """Send a signal as soon as something is printed and `ready`: exit code, both outputs, and how long it took."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            first = process.stdout.readline()
            end = time.monotonic() + 60
            while not ready() and time.monotonic() < end:
                time.sleep(0.01)
            start = time.monotonic()
            for _ in range(times):
                process.send_signal(number)
            out, err = process.communicate(timeout=30)
            return process.returncode, first + out, err, time.monotonic() - start
        finally:
            process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise")
@pytest.mark.parametrize(
    ("number", "code", "words"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "ended by SIGTERM")],
)
def test_a_sweep_ends_at_once_and_says_how_to_go_on(tmp_path, number, code, words):
    (tmp_path / "grid.toml").write_text(GRID)
    folder = tmp_path / "grid.results"
    command = [sys.executable, "-m", "jaxent", "sweep", str(tmp_path / "grid.toml"), "--tile-points", "1", "--log-json"]
    found, out, err, seconds = interrupted(command, number, lambda: True)
    assert found == code
    assert seconds < 5
    *_, last, event = [json.loads(line) for line in out.splitlines()]
    assert event["event"] == "interrupted"
    assert event["points_done"] >= last["points_done"] >= 1
    done = event["points_done"]
    sentence = f"{words}; {done} of 4000 points are kept in {folder}: the same command goes on from there."
    assert err == f"jaxent: {sentence}\n"
    kept = jaxent.open_sweep(folder).outcome_probability.values
    assert done <= np.isfinite(kept).sum() <= done + 1
    left = [path.name for path in folder.iterdir() if path.name.startswith((".", "running"))]
    assert left == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise")
@pytest.mark.parametrize("times", [1, 2])
def test_compiled_code_does_not_delay_it_and_half_written_files_go(tmp_path, times):
    command = [sys.executable, "-c", STUCK, str(tmp_path / "a.txt")]
    code, out, err, seconds = interrupted(command, signal.SIGINT, lambda: any(tmp_path.iterdir()), times)
    assert (code, err) == (130, "jaxent: interrupted; the rest is kept.\n")
    assert out == 'computing\n{"event": "interrupted"}\n'
    assert seconds < 5
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise")
def test_a_command_that_imports_is_interrupted_without_a_traceback(tmp_path):
    program = "import sys; sys.argv = ['jaxent', 'curve', '-n', '9']; print(1, flush=True)\n"
    program += "from jaxent.__main__ import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        process.stdout.readline()
        time.sleep(0.4)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "jaxent: interrupted.\n")


def test_handlers_are_as_before_afterwards():
    from jaxent.runtime import interrupts

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with interrupts.watched():
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] != before
        with interrupts.watched():
            pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
