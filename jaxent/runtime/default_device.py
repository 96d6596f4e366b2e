"""The device that programs run on: the one chosen by `jax.default_device`, else the first of the default backend."""

from typing import Any

import jax

__all__ = ["default_device", "platform"]


def default_device() -> Any:
    """Return the device that a program of uncommitted arguments runs on."""
    chosen: Any = jax.config.jax_default_device  # pyright: ignore[reportAttributeAccessIssue]
    if chosen is None:
        return jax.local_devices()[0]
    return jax.local_devices(backend=chosen)[0] if isinstance(chosen, str) else chosen


def platform() -> str:
    """Return the platform of `default_device`, such as cpu, gpu or tpu."""
    return default_device().platform
