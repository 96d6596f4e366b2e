"""What JAX sees on this machine, and what a result was computed with."""

import functools
import importlib.metadata
import json
import signal
import subprocess
from pathlib import Path

import jax
import numpy as np

__all__ = ["commit", "describe_devices", "join_processes", "versions"]


def describe_devices() -> list[dict[str, str]]:
    """List the local devices that JAX sees, each with its kind, memory and default precision."""
    precision = "float64" if jax.numpy.result_type(float) == np.float64 else "float32"
    entries = []
    for device in jax.local_devices():
        stats = device.memory_stats() or {}
        limit = stats.get("bytes_limit")
        entries.append(
            {
                "device": str(device),
                "platform": device.platform,
                "kind": device.device_kind,
                "memory": f"{limit / 2**30:.1f} GiB" if limit else "host memory",
                "precision": precision,
            }
        )
    return entries


def versions() -> dict[str, str]:
    """Give the versions of what a result depends on, and the device and precision it was computed with."""
    names = ("jaxent", "jax", "jaxlib", "numpy")
    found = {f"{name}_version": importlib.metadata.version(name) for name in names}
    first = describe_devices()[0]
    return found | {"device": first["kind"], "platform": first["platform"], "precision": first["precision"]}


def join_processes(coordinator: str | None, n_processes: int | None, process: int | None) -> tuple[int, int]:
    """Meet the other processes of a run once, by JAX's own means; afterwards each goes its way.

    Args:
        coordinator: host:port at which to meet; None: what SLURM, Open MPI or Kubernetes tell.
        n_processes: how many there are, likewise.
        process: number of this one, likewise.

    Returns:
        number of this process, and how many there are.

    Raises:
        ValueError: when no cluster is found, or the others do not come.
    """
    try:
        jax.distributed.initialize(coordinator, n_processes, process)
        found = jax.process_index(), jax.process_count()
        # a process that is done, or dies, must not stop the others
        jax.distributed.shutdown()
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))  # which JAX has taken, to go on after it
    except (ValueError, TypeError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise ValueError(
            f"Argument `distributed` must come with a cluster that JAX detects, or with `coordinator`, `processes` and "
            f"`process`; the processes did not meet: {reason}."
        ) from error
    return found


@functools.cache
def commit() -> str:
    """Find the commit of the running code, with a note where files were changed; empty where none is known."""
    try:
        direct = json.loads(importlib.metadata.distribution("jaxent").read_text("direct_url.json") or "{}")
    except (importlib.metadata.PackageNotFoundError, json.JSONDecodeError):
        direct = {}
    recorded = direct.get("vcs_info", {}).get("commit_id", "")
    folder = Path(__file__).parents[1]
    if recorded or not (folder.parent / ".git").exists():
        return recorded
    try:
        ask = ["git", "-C", str(folder)]
        head = subprocess.run([*ask, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10)
        changed = subprocess.run([*ask, "status", "--porcelain", "--", "."], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return head.stdout.strip() + (" with changes" if changed.stdout else "") if head.returncode == 0 else ""
