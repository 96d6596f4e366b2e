"""Commands that search: magic times, and optimal offsets."""

import json
import math
from pathlib import Path
from typing import Literal

from jaxent import time_texts
from jaxent.cli import console

__all__ = ["magic", "optimize"]


def magic(
    *,
    options: console.ChainOptions,
    max_levels: console.WholeNumber | None = None,
    find: console.Switch = False,
    as_json: console.AsJson = False,
) -> None:
    """Magic times 2πp/r: the entanglement there and the widths of their dips, or all peaks and dips of E(t).

    Parameters
    ----------
    max_levels
        Largest r; √N, but at most 12, by default.
    find
        Search E(t) in [0, π] for its peaks and dips instead, without using what magic times are.
    """
    jaxent = console.library()
    chain = options.chain(jaxent)
    if find:
        with console.progress_by_share() as report:
            found = jaxent.find_extrema(chain, report=report)
        result = {name: column.tolist() for name, column in found._asdict().items()}
        heads = ["t", "kind", "E (bits)", "stands out by (bits)", "r"]
        rows = [
            [f"{t:.10f}", "peak" if peak else "dip", f"{e:.6f}", f"{p:.4f}", str(r) if r else ""]
            for t, e, peak, p, r in zip(*found, strict=True)
        ]
    else:
        from jaxent.analysis.magic_times import half_width_or_nan

        most = max(2, min(12, int(chain.n_atoms**0.5))) if max_levels is None else max_levels
        times, levels, limits = jaxent.magic_times(chain.n_atoms, most)
        entropies = jaxent.end_to_end_entropy(chain, times)
        different = sorted(set(levels.tolist()))
        widths = {}
        with console.progress(len(different)) as advance:
            for r in different:
                width = half_width_or_nan(chain, r)
                widths[r] = None if math.isnan(width) else width
                advance(1.0)
        names = [time_texts.pi_text(int(a), int(b)) for a, b in zip(times.numerator, times.denominator, strict=True)]
        result = {
            "time": names,
            "levels": levels.tolist(),
            "limit_bits": limits.tolist(),
            "entropy_bits": [float(e) for e in entropies],
            "half_width": [widths[r] for r in levels.tolist()],
        }
        heads = ["t", "r", "log2 r", "E (bits)", "half-width of the dip, for 0.05 bits"]
        rows = [
            [name, str(r), f"{limit:.6f}", f"{e:.6f}", "none" if widths[r] is None else f"{widths[r]:.6g}"]
            for name, r, limit, e in zip(names, levels.tolist(), limits, result["entropy_bits"], strict=True)
        ]
    if as_json:
        about = {"n_ensembles": chain.n_ensembles, "n_atoms": chain.n_atoms, "window": chain.window}
        print(json.dumps(about | result))
        return
    console.print_table(options.title, heads, rows)


def _at_textbook_offset(objective: str, chain, time, settings: dict) -> dict[str, float] | None:
    """Evaluate an objective at the offset π/(2r) of a magic time 2πp/r; None for other times."""
    from jaxent.analysis.optimize import OBJECTIVES, textbook_offset
    from jaxent.times import PiFraction

    if not isinstance(time, PiFraction):
        return None
    offset = textbook_offset(time)
    rest = {name: value for name, value in settings.items() if name not in ("key", "n_samples")}
    value = OBJECTIVES[objective](chain, time, offset, settings["key"], settings["n_samples"], **rest).value
    return {"phase_offset": offset, "value": float(value)}


def optimize(
    time: console.TimeText,
    *,
    options: console.ChainOptions,
    objective: Literal[
        "average_entropy", "average_log_negativity", "decoded_fidelity", "log_negativity", "entropy_times_probability"
    ] = "average_entropy",
    dephasing_rate: console.Rate = None,
    levels: console.WholeNumber | None = None,
    outcomes: console.Outcomes = None,
    phase_offset: console.Offsets = None,
    tolerance: console.Number | None = None,
    per_ensemble: console.Switch = False,
    vary_time: console.Switch = False,
    starts: console.WholeNumber = 8,
    steps: console.WholeNumber = 100,
    samples: console.WholeNumber | None = None,
    seed: console.WholeNumber = 0,
    plot: Path | None = None,
    as_json: console.AsJson = False,
) -> None:
    """Find the phase offsets, and the time if wanted, that maximize the entanglement.

    Parameters
    ----------
    objective
        What to maximize.
    dephasing_rate
        Rate γ for average_log_negativity and log_negativity.
    levels
        L of the magic time 2π/L for decoded_fidelity.
    outcomes
        Measured outcomes for log_negativity and entropy_times_probability; all N by default. One number stands for all.
    tolerance
        Largest error of log_negativity in bits, of three ensembles of any size; 1e-3 by default.
    phase_offset
        Where the first start begins, in radians; one number, or one per inner ensemble.
    per_ensemble
        Vary the offset of each inner ensemble by itself.
    vary_time
        Vary the time too.
    starts
        Number of starting points.
    steps
        Most steps of each start.
    samples
        Draw this many outcomes in each step instead of summing over all; needed beyond M = 4.
    seed
        Seed of the draws.
    plot
        File for a plot of all steps, PNG or PDF by its ending.
    """
    if plot is not None:
        console.output_file("plot", plot, (".png", ".pdf"))
    if options.n_ensembles > 4 and samples is None and objective.startswith(("average", "decoded")):
        raise ValueError(
            f"Argument `samples` must be given for n_ensembles = {options.n_ensembles}, as all outcomes can be summed "
            "for at most 4; 200 are a good start."
        )
    jaxent = console.library()
    import jax

    chain, t = options.chain(jaxent), time_texts.parse_time(time)
    outcome = console.numbers_of("outcomes", outcomes, options.n_atoms)
    typed = {"dephasing_rate": dephasing_rate, "levels": levels, "outcomes": outcome}
    typed["tolerance_bits"] = tolerance
    settings = {name: value for name, value in typed.items() if value is not None}
    sampling = {"key": None if samples is None else jax.random.key(seed), "n_samples": samples or 2}
    with console.live_line() as show:
        found = jaxent.maximize(
            objective,
            chain,
            t,
            None if phase_offset is None else console.alone("phase_offset", phase_offset),
            per_ensemble=per_ensemble,
            vary_time=vary_time,
            n_starts=starts,
            n_steps=steps,
            **sampling,
            callback=lambda step, value, slope: show(f"step {step}: {value:.8f}, gradient {slope:.1e}"),
            **settings,
        )
    textbook = _at_textbook_offset(objective, chain, t, sampling | settings)
    if plot is not None:
        from jaxent.plot.figures import draw_history
        from jaxent.sweep import save

        save(plot, draw_history(found.history, objective).savefig)
    result = {
        "objective": objective,
        "value": found.value,
        "standard_error": found.standard_error,
        "phase_offset": found.phase_offset.tolist(),
        "time": found.time,
        "textbook": textbook,
        "gradient_norm": found.slope,
        "steps": len(found.history.value),
        "n_ensembles": options.n_ensembles,
        "n_atoms": options.n_atoms,
        "window": options.window,
    }
    if as_json:
        print(json.dumps(result))
        return
    error = f" ± {found.standard_error:.1e}" if found.standard_error else ""
    units = "" if objective == "decoded_fidelity" else " bits"
    beside = []
    if textbook:
        offset, value = textbook["phase_offset"], textbook["value"]
        beside = [["with the textbook's φ = π/(2r)", f"{value:.10g}{units} at {offset:.8g} rad"]]
    console.print_table(
        f"{options.title}, best of {starts} starts",
        ["quantity", "value"],
        [
            [objective.replace("_", " "), f"{found.value:.10g}{error}{units}"],
            *beside,
            ["phase offset φ", " ".join(f"{x:.8g}" for x in found.phase_offset) + " rad"],
            ["time t", f"{found.time:.10g}" if vary_time else time],
            ["norm of the gradient", f"{found.slope:.1e}"],
            ["steps", str(len(found.history.value))],
        ],
    )
