"""What the benchmark scripts share: timing without compilation, and results with the machine they came from."""

import json
import platform
import time
from pathlib import Path

import jax
import numpy as np

from jaxent import sweep
from jaxent.runtime import threads
from jaxent.sweep.devices import commit

FOLDER = Path(__file__).parent


def seconds_of(run, least: float = 0.3) -> float:
    """Seconds of one call of `run`: the smallest of at least three, or of one that takes longer than a second."""
    best, total, calls = np.inf, 0.0, 0
    while calls < 3 or total < least:
        start = time.perf_counter()
        jax.block_until_ready(run())
        elapsed = time.perf_counter() - start
        best, total, calls = min(best, elapsed), total + elapsed, calls + 1
        if elapsed > 1:
            break
    return best


def compiled(run) -> tuple[float, float]:
    """Seconds of compilation (the first call less a later one), and of a call afterwards."""
    start = time.perf_counter()
    jax.block_until_ready(run())
    first = time.perf_counter() - start
    later = seconds_of(run)
    return max(0.0, first - later), later


def save(name: str, results: dict, quiet: bool = False) -> None:
    """Write results beside the script, with device, dtype, versions and commit."""
    about = {
        **sweep.versions(),
        "python_version": platform.python_version(),
        "processors": threads.processors(),
        "commit": commit(),
    }
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps({"about": about, **results}, indent=2) + "\n")
    if not quiet:
        print(f"wrote {path}")
