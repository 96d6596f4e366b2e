"""What JAX sees on this machine, what it could see, and what a result was computed with."""

import functools
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import jax
import numpy as np

__all__ = ["accelerator_advice", "commit", "describe_devices", "join_processes", "versions"]

_NVIDIA, _GOOGLE = "0x10de", "0x1ae0"  # vendors on the PCI bus
_DISPLAY, _NETWORK = "0x03", "0x02"  # classes of devices there, by their first digits
_CUDA_PLUGINS = ["jax-cuda12-plugin", "jax-cuda13-plugin"]


def describe_devices() -> list[dict[str, str]]:
    """What JAX sees: one entry per local device, with its kind, memory and default precision."""
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


def accelerator_advice(platforms: Collection[str], root: Path = Path("/")) -> str:
    """How to let JAX compute on an accelerator of this machine, in one sentence; empty where it does already.

    Args:
        platforms: of the devices that JAX uses, as "cpu" or "gpu".
        root: of the file system in which Linux shows its devices.
    """
    if set(platforms) != {"cpu"}:
        return ""
    nvidia = any(vendor == _NVIDIA and kind.startswith(_DISPLAY) for vendor, kind in _pci_devices(root))
    tpu = any(vendor == _GOOGLE and not kind.startswith(_NETWORK) for vendor, kind in _pci_devices(root))
    reachable = any(root.glob("dev/nvidia[0-9]*")) or (root / "dev/dxg").exists()  # the latter under Windows
    if not (nvidia or tpu or reachable):
        return "No GPU or TPU was found on this machine: JAX computes on its processor."
    if os.environ.get("JAX_PLATFORMS"):
        chosen = os.environ["JAX_PLATFORMS"]
        return f"JAX keeps to the processor because JAX_PLATFORMS is {chosen!r}; unset it to use the accelerator."
    if nvidia and not reachable and not tpu:
        return (
            "An NVIDIA GPU is in this machine, but its driver does not show it here: install the driver until "
            "nvidia-smi lists the GPU, or start the container with it (docker run --gpus all)."
        )
    name, extra, plugins = ("A TPU", "tpu", ["libtpu"]) if tpu else ("An NVIDIA GPU", "cuda12", _CUDA_PLUGINS)
    version = importlib.metadata.version("jax")
    install = f"{sys.executable} -m pip install 'jax[{extra}]=={version}'"
    found = [(plugin, _installed(plugin)) for plugin in plugins if _installed(plugin)]
    if not found:
        return f"{name} is here, but the installed JAX is for processors only; run: {install}"
    plugin, its_version = found[0]
    if not tpu and its_version != version:
        return f"{name} is here, but {plugin} {its_version} does not fit jax {version}; run: {install}"
    check = f"{sys.executable} -c 'import jax; jax.devices(\"{'tpu' if tpu else 'cuda'}\")'"
    return f"{name} is here and {plugin} {its_version} is installed, but JAX cannot start it; to see why, run: {check}"


def _installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _pci_devices(root: Path) -> list[tuple[str, str]]:
    """Vendor and class of each device on the bus."""
    found = []
    for folder in root.glob("sys/bus/pci/devices/*"):
        try:
            found.append(((folder / "vendor").read_text().strip(), (folder / "class").read_text().strip()))
        except OSError:
            continue
    return found


def versions() -> dict[str, str]:
    """Versions of what a result depends on, and the device and precision it was computed with."""
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
    """Commit that the running code comes from, with a note where files were changed; empty where none is known."""
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
