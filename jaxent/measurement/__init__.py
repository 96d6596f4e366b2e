"""Describe how an ensemble is measured, and compute what a measurement does to the coherences of its neighbours.

`record` holds the public `Measurement` and what is read off the detectors, `kernel` the kernel g(α, α') of a record.
May import `arguments` and what is above it.
"""

from jaxent.measurement.kernel import (
    blurred,
    densities,
    fourier_matrix,
    joint_amplitudes,
    log_likelihood,
    loss_amplitudes,
    survival_and_flips,
)
from jaxent.measurement.record import REACH, Measurement, Records, records_of

__all__ = [
    "REACH",
    "Measurement",
    "Records",
    "blurred",
    "densities",
    "fourier_matrix",
    "joint_amplitudes",
    "log_likelihood",
    "loss_amplitudes",
    "records_of",
    "survival_and_flips",
]
