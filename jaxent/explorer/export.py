"""Export a curve: as the Python lines that compute it, and as a table of its numbers."""

from jaxent.explorer.curve import Curve, intervals, passes
from jaxent.explorer.question import Question
from jaxent.explorer.viewport import View
from jaxent.protocol.turn_fractions import pi_multiple

__all__ = ["python_lines", "table"]


def python_lines(question: Question, view: View) -> str:
    """Write a program that computes the curve of a view and saves it to curve.csv."""
    view = view.clipped()
    n_times = passes(question)[-1] * intervals(question) + 1
    chain = question.chain
    shape = [str(chain.n_ensembles), str(chain.n_atoms)] + (
        [] if chain.window is None else [f"window={chain.window!r}"]
    )
    numerator, denominator = pi_multiple(view.centre)
    centre = f"jaxent.pi_fraction({numerator}, {denominator})"
    span = f"{view.start!r}, {view.stop!r}, {n_times}"
    outcomes = list(question.outcomes) if isinstance(question.outcomes, tuple) else question.outcomes
    lines = [
        "import jax",
        "import numpy as np",
        "",
        "import jaxent",
        "",
        'jax.config.update("jax_enable_x64", True)',
        f"chain = jaxent.Chain({', '.join(shape)})",
    ]
    if question.is_plain:
        lines += [
            f"curve = jaxent.entropy_curve(chain, {span}, around={centre}, tolerance={question.tolerance!r})",
            "distance, value = curve.distance, curve.entropy",
        ]
    else:
        parameters = f"{outcomes!r}, {question.phase_offset!r}"
        call = f"end_to_end_entropy(chain, times, {parameters}, tolerance={question.tolerance!r})"
        if question.quantity == "log_negativity":
            detector = f", measurement=jaxent.Measurement({question.resolution!r})" if question.resolution else ""
            call = f"end_to_end_log_negativity(chain, times, {question.dephasing_rate!r}, {parameters}{detector})"
        lines += [
            f"distance = np.linspace({span})",
            f"times = {centre}.value + distance" if numerator else "times = distance",
        ]
        lines += (
            _point_by_point(call, question.tolerance) if question.is_within_tolerance else [f"value = jaxent.{call}"]
        )
    header = f"{'t' if not numerator else f't - pi*{numerator}/{denominator}'} (1/coupling),{question.label}"
    lines += [
        "table = np.column_stack([distance, value])",
        f"header = {header!r}",
        'np.savetxt("curve.csv", table, delimiter=",", header=header, fmt="%.17g", encoding="utf-8")',
    ]
    return "\n".join(lines) + "\n"


def _point_by_point(call: str, tolerance: float) -> list[str]:
    """Write lines that compute each time by itself: one that is refused has no value, as in the explorer."""
    return [
        "value = np.full(len(times), np.nan)  # where the state is almost pure, or the outcomes cannot occur",
        "for index, time in enumerate(times):",
        "    try:",
        f"        value[index] = jaxent.{call.replace('times', 'time').removesuffix(')')}, tolerance={tolerance!r})",
        "    except ValueError as error:",
        "        print(error)",
    ]


def table(question: Question, view: View, curve: Curve) -> str:
    """Write the points of a curve as comma-separated values, below lines with # that describe the columns."""
    numerator, denominator = pi_multiple(view.centre)
    outcomes = "N" if question.outcomes is None else question.outcomes
    lines = [
        f"# {question.label}",
        f"# M = {question.n_ensembles}, N = {question.n_atoms}, window = {question.chain.window}, "
        f"outcomes = {outcomes}, phase_offset = {question.phase_offset!r}, "
        f"dephasing_rate = {question.dephasing_rate!r}, resolution = {question.resolution!r}",
        f"# t = pi*{numerator}/{denominator} + distance, in units of 1/coupling; "
        "error: bound or estimate in bits, nan where there is no state; r: of a magic time 2 pi p/r, else 0",
        "distance,value,error,r",
    ]
    rows = zip(curve.distance, curve.value, curve.error, curve.levels, strict=True)
    lines += [f"{x:.17g},{y:.17g},{e:.3g},{int(r)}" for x, y, e, r in rows]
    return "\n".join(lines) + "\n"
