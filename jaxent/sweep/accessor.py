"""Let datasets of sweeps and of results be asked by `data.jaxent`: their exact times, their question, a plot.

Registered with xarray where this module is imported; `jaxent.open_sweep` does that, for datasets read from exported
files it is done by hand.
"""

import json
from typing import TYPE_CHECKING, Any

import xarray as xr

from jaxent.messages import shown
from jaxent.results import plot_dataset
from jaxent.sweep.spec import Sweep, asked
from jaxent.times import PiFraction

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["DatasetAccessor"]


@xr.register_dataset_accessor("jaxent")
class DatasetAccessor:
    """Ask a dataset what only jaxent knows of it.

    Example:
        >>> import tempfile
        >>> import jaxent
        >>> sweep = jaxent.Sweep(["entropy"], n_atoms=8, time=jaxent.Span(0, "pi", 3))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = jaxent.run_sweep(sweep, folder)
        ...     with jaxent.open_sweep(folder) as data:
        ...         print(data.jaxent.times, data.jaxent.sweep == sweep)
        [0, π/2, π] True
    """

    def __init__(self, dataset: xr.Dataset):
        self._dataset = dataset

    @property
    def times(self) -> Any:
        """The times: a `PiFraction` where they are exact multiples of π, else an array.

        Raises:
            ValueError: when the dataset has no times, or each bond has its own.
        """
        data = self._dataset
        if {"time_numerator", "time_denominator"} <= set(data.variables):
            return PiFraction(data.time_numerator.values, data.time_denominator.values)
        if "time" not in data.variables or "bond_times" in data.variables:
            raise ValueError(f"The dataset must have one time for all bonds, but has {shown(sorted(map(str, data)))}.")
        return data.time.values

    @property
    def sweep(self) -> Sweep:
        """The question that the dataset answers.

        Raises:
            ValueError: when the dataset does not hold it.
        """
        text = self._dataset.attrs.get("question", "")
        try:
            return asked(json.loads(text))
        except (TypeError, ValueError, AttributeError):
            raise ValueError(
                f"Attribute `question` must be that of a sweep of jaxent, but is {shown(text)}; long ones are in "
                "sweep.json."
            ) from None

    def plot(self, quantity: str | None = None, x: str | None = None, ax: "Axes | None" = None, **style: Any) -> "Axes":
        """Draw a quantity; arguments and errors as `jaxent.results.plot_dataset`."""
        return plot_dataset(self._dataset, quantity, x, ax, **style)
