"""The command that turns the numbers of a laboratory into times and rates in units of the coupling."""

import json
from typing import Annotated

from cyclopts import Parameter

from jaxent import time_texts
from jaxent.cli import console

__all__ = ["units"]


def units(
    *,
    coupling: str,
    n_atoms: console.Atoms,
    t2: str | None = None,
    atom_t2: str | None = None,
    loss: str = "0/s",
    resolution: console.Number = 0.0,
    levels: Annotated[
        list[int] | None, Parameter(consume_multiple=True, negative="", converter=console.whole_numbers)
    ] = None,
    tolerance: console.Number = 0.01,
    as_json: console.AsJson = False,
) -> None:
    """From your experiment to t, γ, σ and Γ, and which magic times it reaches before noise wins.

    Parameters
    ----------
    coupling
        g of H = ħ g n n: 2kHz means cycles, 2π · 2000 rad/s; or 12566rad/s.
    n_atoms
        Atoms per ensemble, N; there are three ensembles.
    t2
        Time in which the collective spin of an ensemble falls to 1/e by noise that its atoms share, such as 5ms.
    atom_t2
        Time in which the coherence of a single atom falls to 1/e by noise of its own.
    loss
        Rate at which an atom is lost: 0.1/s, or 0.1Hz, which means events per second here.
    resolution
        Resolution σ of the detectors in atoms.
    levels
        r of the magic times 2π/r, separated by blanks, 2 to 6 by default; each takes seconds, the first half a minute.
    tolerance
        Error in bits that the log negativity may have.
    """
    jaxent = console.library()
    given = {name: value for name, value in (("t2", t2), ("atom_t2", atom_t2)) if value is not None}
    experiment = jaxent.Experiment(coupling, n_atoms, loss=loss, resolution=resolution, **given)
    with console.progress_by_share() as report:
        found = jaxent.reached_times(experiment, levels or range(2, 7), tolerance=tolerance, report=report)
    names = [
        time_texts.pi_text(int(above), int(below))
        for above, below in zip(found.time.numerator, found.time.denominator, strict=True)
    ]
    times = {"time": names} | {
        name: getattr(found, name).tolist()
        for name in ("levels", "seconds", "strength", "log_negativity", "generic", "rate", "reached")
    }
    result = {
        "coupling_rad_per_s": experiment.coupling,
        "time_unit_s": experiment.time_unit,
        "n_atoms": experiment.n_atoms,
        "dephasing_rate": experiment.dephasing_rate,
        "atom_dephasing_rate": experiment.atom_dephasing_rate,
        "atom_loss_rate": experiment.atom_loss_rate,
        "resolution": experiment.resolution,
        "magic_times": times,
        "tolerance_bits": tolerance,
        "not_modelled": list(experiment.not_modelled),
    }
    if as_json:
        print(json.dumps(result))
        return
    console.print_table(
        f"three ensembles, N = {experiment.n_atoms}, coupling {coupling}",
        ["your experiment", "in units of the coupling"],
        [
            ["t = 1 lasts", f"{experiment.time_unit:.6g} s (1/g, g = {experiment.coupling:.6g} rad/s)"],
            ["dephasing rate γ = 1/(2 g T2)", f"{experiment.dephasing_rate:.6g}"],
            ["dephasing rate of single measured atoms", f"{experiment.atom_dephasing_rate:.6g}"],
            ["loss rate Γ of single measured atoms", f"{experiment.atom_loss_rate:.6g}"],
            ["detector resolution σ", f"{experiment.resolution:.6g} atoms"],
        ],
    )
    rows = [
        [name, f"{seconds:.4g} s", str(r), f"{strength:.3g}", f"{bits:.2f}", f"{beside:.2f}", "yes" if enough else "no"]
        for name, seconds, r, strength, bits, beside, enough in zip(
            *(times[name] for name in ("time", "seconds", "levels", "strength")),
            *(times[name] for name in ("log_negativity", "generic", "reached")),
            strict=True,
        )
    ]
    heads = ["t", "lasts", "r", "γ t r²", "log negativity", "beside it", "reached"]
    console.print_table("magic times 2π/r: reached if at most half a bit of log2 r is lost", heads, rows)
    print("Not modelled:")
    for sentence in experiment.not_modelled:
        print(f"- {sentence}")
