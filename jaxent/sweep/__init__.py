"""Compute quantities over grids into files; only this layer uses devices and disk.

A `Sweep` describes quantities over a grid as plain data. `run_sweep` cuts it into tiles, evaluates each on the devices
of this process and keeps it as one file; the same call resumes an interrupted sweep. `open_sweep` opens all tiles as
one labelled dataset.
"""

from jaxent.sweep.check import SweepCheck, check_sweep
from jaxent.sweep.dataset import open_sweep
from jaxent.sweep.devices import describe_devices, versions
from jaxent.sweep.exports import export_sweep, open_export
from jaxent.sweep.files import output_folder, save
from jaxent.sweep.grid import Report, entropy_over_grid, estimated_seconds
from jaxent.sweep.plan import Plan
from jaxent.sweep.quantities import QUANTITIES
from jaxent.sweep.run import Progress, SweepRun, plan_sweep, run_sweep
from jaxent.sweep.spec import Sweep
from jaxent.sweep.toml_file import read_sweep
from jaxent.sweep.validation import QuestionError, Span

__all__ = [
    "QUANTITIES",
    "Plan",
    "Progress",
    "QuestionError",
    "Report",
    "Span",
    "Sweep",
    "SweepCheck",
    "SweepRun",
    "check_sweep",
    "describe_devices",
    "entropy_over_grid",
    "estimated_seconds",
    "export_sweep",
    "open_export",
    "open_sweep",
    "output_folder",
    "plan_sweep",
    "read_sweep",
    "run_sweep",
    "save",
    "versions",
]
