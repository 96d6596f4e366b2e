"""Units and meanings of the parameters of a chain, as the attributes that datasets carry. Imports nothing of jaxent.

>>> attributes("time")
{'units': '1/coupling', 'long_name': 'interaction time t'}
"""

__all__ = ["PARAMETERS", "attributes"]

# name → units and meaning; datasets of sweeps, labelled states and the paper's figures use these names
PARAMETERS = {
    "n_ensembles": ("1", "ensembles M"),
    "n_atoms": ("1", "atoms per ensemble N"),
    "window": ("1", "window c (standard deviations)"),
    "outcomes": ("1", "outcomes q"),
    "phase_offset": ("rad", "phase offset φ"),
    "dephasing_rate": ("coupling", "dephasing rate γ"),
    "collective_rate": ("coupling", "collective dephasing rate Γ"),
    "resolution": ("1", "resolution σ of the detectors (atoms)"),
    "atom_dephasing_rate": ("coupling", "dephasing rate of single measured atoms"),
    "atom_loss_rate": ("coupling", "loss rate of single measured atoms"),
    "time": ("1/coupling", "interaction time t"),
}


def attributes(name: str, long_name: str | None = None) -> dict[str, str]:
    """Give the units of a parameter, and its meaning or `long_name`, as attributes of an xarray variable."""
    units, meaning = PARAMETERS[name]
    return {"units": units, "long_name": long_name or meaning}
