"""Draw the data of the paper at journal widths, for print and for colour-blind readers."""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from jaxent.protocol.curve import EntropyCurve

__all__ = [
    "DOUBLE_COLUMN",
    "STYLE",
    "draw_atom_numbers",
    "draw_best_time",
    "draw_curves",
    "draw_figure_four",
    "draw_figure_large",
    "draw_figure_one",
    "draw_figure_three",
    "draw_figure_two",
    "draw_four_limit",
    "draw_history",
    "draw_husimi",
    "draw_offsets",
    "draw_resolution",
    "draw_saturation",
    "draw_single_atom",
    "draw_three_limit",
    "draw_witness",
    "draw_zoom",
]

STYLE: Any = {
    "font.size": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 0.9,
    "legend.frameon": False,
    "figure.dpi": 300,  # stored in the figure; `savefig.dpi` would be read only when the figure is saved
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "pdf.fonttype": 42,
}
DOUBLE_COLUMN = 7.0  # inches
_SAFE = ("#D55E00", "#0072B2", "#009E73", "#CC79A7")  # Okabe and Ito's colour-blind safe set
_TIME_LABEL = "interaction time t (units of π / coupling)"


def _label(n_atoms: int) -> str:
    exponent = round(math.log10(n_atoms))
    return f"$10^{{{exponent}}}$" if n_atoms >= 1000 and n_atoms == 10**exponent else str(n_atoms)


def draw_figure_one(data: xr.Dataset) -> Figure:
    """Draw Fig. 1: E(t), and E(t) / log2(N+1), for every N of the data."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(DOUBLE_COLUMN, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2, sharex=True)
        colours = mpl.colormaps["viridis"](np.linspace(0.0, 0.9, data.sizes["n_atoms"]))
        marks = []
        for colour, n_atoms in zip(colours, data.n_atoms.values, strict=True):
            curve = data.sel(n_atoms=n_atoms)
            keep = np.isfinite(curve.time.values)
            time, entropy = curve.time.values[keep] / np.pi, curve.entropy.values[keep]
            left.plot(time, entropy, color=colour)
            right.plot(time, entropy / np.log2(n_atoms + 1.0), color=colour, lw=0.7)
            marks.append((float(np.quantile(entropy, 0.8)) if n_atoms > 20 else entropy[-1], n_atoms, colour))
        _label_curves(left, marks, data)
        right.axhline(0.5, color="0.2", lw=0.8, ls="--", zorder=5, label="$E_{\\mathrm{norm}} = 1/2$")
        left.set(xlabel=_TIME_LABEL, ylabel="end-to-end entanglement E (bits)", xlim=(0, 1), ylim=(0, None))
        right.set(xlabel=_TIME_LABEL, ylabel="$E\\,/\\,\\log_2(N+1)$", ylim=(0, 0.8))
        right.legend(loc="upper left")
        for axes, letter in ((left, "(a)"), (right, "(b)")):
            axes.set_title(letter, loc="left", fontsize=8, fontweight="bold")
        return figure


def _label_curves(axes, marks, data) -> None:
    """Label each curve at its right end, with labels moved apart where they are close."""
    heights = sorted((height, n_atoms, colour) for height, n_atoms, colour in marks)
    spacing = 0.045 * max(height for height, _, _ in heights)
    placed = -math.inf
    for height, n_atoms, colour in heights:
        placed = max(height, placed + spacing)
        chain = data.sel(n_atoms=n_atoms)
        text = f"N = {_label(int(n_atoms))}  (D = {int(chain.dimension)})"
        axes.annotate(
            text, (1.0, placed), xytext=(4, 0), textcoords="offset points", va="center", color=colour, fontsize=7
        )


def draw_figure_large(data: xr.Dataset) -> Figure:
    """Draw E(t), and E(t) / log2(N+1), for large N: lines at evenly spaced times, dots at magic times between."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(DOUBLE_COLUMN, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2, sharex=True)
        colours = mpl.colormaps["viridis"](np.linspace(0.0, 0.9, data.sizes["n_atoms"]))
        for colour, n_atoms in zip(colours, data.n_atoms.values, strict=True):
            curve = data.sel(n_atoms=n_atoms)
            keep = np.isfinite(curve.time.values)
            time, entropy, magic = (curve[name].values[keep] for name in ("time", "entropy", "levels"))
            for axes, scale in ((left, 1.0), (right, math.log2(n_atoms + 1))):
                even, dips = magic == 0, magic > 0
                name = f"N = {_label(int(n_atoms))}"
                axes.plot(time[even] / np.pi, entropy[even] / scale, color=colour, lw=0.8, label=name)
                axes.plot(time[dips] / np.pi, entropy[dips] / scale, ".", color=colour, ms=2.5)
        left.plot([], [], ".", color="0.3", ms=2.5, label="at 2πp/r")
        right.axhline(0.5, color="0.2", lw=0.8, ls="--", zorder=5)
        right.annotate("1/2", (1.0, 0.5), xytext=(3, 0), textcoords="offset points", va="center", fontsize=7)
        left.set(xlabel=_TIME_LABEL, ylabel="end-to-end entanglement E (bits)", xlim=(0, 1), ylim=(0, None))
        right.set(xlabel=_TIME_LABEL, ylabel="$E\\,/\\,\\log_2(N+1)$", ylim=(0, 0.7))
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=5, fontsize=7)
        for axes, letter in ((left, "(a)"), (right, "(b)")):
            axes.set_title(letter, loc="left", fontsize=8, fontweight="bold")
        return figure


def draw_zoom(data: xr.Dataset) -> Figure:
    """Draw E(t) around the dip at π/2 on three scales, with magic times, and the floor of the dip for several N."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(DOUBLE_COLUMN, 4.6), layout="constrained")
        panels = figure.subplots(2, 2).ravel()
        for axes, half_width in zip(panels, data.half_width.values, strict=False):
            one = data.sel(half_width=half_width)
            keep = np.isfinite(one.distance.values)
            exponent = math.floor(math.log10(half_width))
            distance = one.distance.values[keep] / 10.0**exponent
            entropy, levels = one.entropy.values[keep], one.levels.values[keep].astype(int)
            magic = levels > 0
            axes.plot(distance, entropy, color="0.55", lw=0.7)
            axes.plot(distance[~magic], entropy[~magic], ".", ms=3, color="#0072B2", label="evenly spaced")
            axes.plot(distance[magic], entropy[magic], "v", ms=3, color="#D55E00", label="magic times 2πp/r")
            _name_deepest(axes, distance[magic], entropy[magic], levels[magic])
            axes.set(xlabel=f"t − π/2  ($10^{{{exponent}}}$ / coupling)", ylabel="E (bits)", ylim=(0, 16))
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2, fontsize=7)
        floor = panels[3]
        colours = mpl.colormaps["viridis"](np.linspace(0.0, 0.9, data.sizes["n_atoms"]))
        for colour, style, n_atoms in zip(colours, ("-", "--", "-.", ":"), data.n_atoms.values, strict=False):
            line = data.floor_entropy.sel(n_atoms=n_atoms)
            floor.plot(data.scaled_distance, line, style, color=colour, lw=1.4, label=f"N = {_label(int(n_atoms))}")
        floor.set(xlabel="N (t − π/2)  (1 / coupling)", ylabel="E (bits)", ylim=(1.9, None))
        floor.legend(loc="upper center", fontsize=7)
        titles = [f"(a)  N = {_label(int(data.attrs['n_atoms_zoomed']))}", "(b)", "(c)", "(d)"]
        for axes, title in zip(panels, titles, strict=True):
            axes.set_title(title, loc="left", fontsize=8, fontweight="bold")
        return figure


def _name_deepest(axes, distance, entropy, levels) -> None:
    """Write r below the deepest dips, where there is room."""
    named: list[float] = []
    for index in np.argsort(levels, kind="stable"):
        if min((abs(distance[index] - x) for x in named), default=math.inf) < 0.12 * np.ptp(distance):
            continue
        named.append(distance[index])
        axes.annotate(
            f"r = {levels[index]}" if index == np.argmin(levels) else str(levels[index]),
            (distance[index], entropy[index]),
            xytext=(0, -4),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=6,
            color="#D55E00",
        )


def draw_figure_two(data: xr.Dataset) -> Figure:
    """Draw Fig. 2: E(t) in windows of several sizes, and their errors."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(DOUBLE_COLUMN, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2, sharex=True)
        time = data.time.values / np.pi
        styles = ["-", "--", "-.", ":"]
        left.plot(time, data.exact_entropy, color="k", lw=1.6, alpha=0.35, label="exact (full basis)")
        for window, style, colour in zip(data.window.values, styles, _SAFE, strict=True):
            one = data.sel(window=window)
            left.plot(time, one.entropy, style, color=colour, label=f"c = {window:g}")
            right.semilogy(time, one.error, style, color=colour, lw=0.8)
            right.semilogy(data.magic_time / np.pi, one.error_at_magic_times, "o", ms=3, color=colour, clip_on=False)
        left.set(xlabel=_TIME_LABEL, ylabel="end-to-end entanglement E (bits)", xlim=(0, 1), ylim=(0, None))
        right.set(xlabel=_TIME_LABEL, ylabel="error |E$_{window}$ − E| (bits)", ylim=(2e-8, 3))
        left.legend(loc="lower right", ncols=2, fontsize=7, title=None)
        right.plot([], [], "ko", ms=3, label="magic times π/3, π/2, 2π/3, π")
        right.legend(loc="lower right", fontsize=7)
        for axes, letter in ((left, "(a)  N = 100"), (right, "(b)")):
            axes.set_title(letter, loc="left", fontsize=8, fontweight="bold")
        return figure


def draw_figure_three(data: xr.Dataset) -> Figure:
    """Draw Fig. 3: logarithmic negativity against time for several dephasing rates."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(DOUBLE_COLUMN, 3.0), layout="constrained")
        axes = figure.subplots()
        colours = mpl.colormaps["viridis"](np.linspace(0.0, 0.9, data.sizes["dephasing_rate"]))
        time = data.time.values / np.pi
        for colour, rate in zip(colours, data.dephasing_rate.values, strict=True):
            one = data.sel(dephasing_rate=rate)
            axes.plot(time, one.log_negativity, color=colour, label=f"γ = {_rate_label(rate)}")
            axes.plot(
                data.magic_time / np.pi, one.log_negativity_at_magic_times, "o", ms=3, color=colour, clip_on=False
            )
        axes.set(xlabel=_TIME_LABEL, ylabel="log negativity (bits)", xlim=(0, 1), ylim=(0, None))
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), title="M = 3, N = 30\ndots: magic times")
        return figure


def draw_figure_four(data: xr.Dataset) -> Figure:
    """Draw Fig. 4: logarithmic negativity against the dephasing rate at four magic times."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(DOUBLE_COLUMN, 4.2), layout="constrained")
        panels = _panels_of_magic_times(figure)
        colours = mpl.colormaps["viridis"](np.linspace(0.0, 0.9, data.sizes["n_atoms"]))
        marks = "os^Dv"
        for number, axes in enumerate(panels):
            for colour, mark, n_atoms in zip(colours, marks, data.n_atoms.values, strict=False):
                one = data.sel(n_atoms=n_atoms)
                keep = np.isfinite(one.dephasing_rate.values) & (one.dephasing_rate.values > 0)
                rate = one.dephasing_rate.values[keep]
                value = one.log_negativity.values[number][keep]
                axes.semilogx(rate, value, color=colour, marker=mark, ms=2.5, label=f"N = {_label(int(n_atoms))}")
        panels[0].set(ylim=(0, None), xlim=(1e-4, 1.0))
        panels[1].legend(loc="upper right")
        return figure


def draw_three_limit(data: xr.Dataset) -> Figure:
    """Draw Fig. 3 for N → ∞: lines at times that are not magic, dots at magic ones; with N = 30, and many atoms."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(DOUBLE_COLUMN, 3.4), layout="constrained")
        axes = figure.subplots()
        for colour, rate in zip(_SAFE, data.dephasing_rate.values, strict=False):
            one = data.sel(dephasing_rate=rate)
            axes.plot(one.few_time / np.pi, one.few, color=colour, lw=0.5, alpha=0.6)
            axes.plot(one.time / np.pi, one.limit, color=colour, lw=1.4, label=f"γ = {_rate_label(rate)}")
            axes.plot(one.limit_magic_time / np.pi, one.at_magic, ".", ms=5, color=colour, clip_on=False)
            for mark, n_atoms in zip("xo", one.many_atoms.values, strict=True):
                values = one.many.sel(many_atoms=n_atoms)
                axes.plot(one.magic_time / np.pi, values, mark, ms=6, mfc="none", mew=0.8, color="k", clip_on=False)
        axes.plot([], [], color="0.3", lw=1.4, label="N → ∞")
        axes.plot([], [], ".", color="0.3", ms=5, label="N → ∞, at 2πp/r")
        for mark, n_atoms in zip("xo", data.many_atoms.values, strict=True):
            words = f"N = {_label(int(n_atoms))}, at 2πp/r"
            axes.plot([], [], mark, color="k", ms=6, mfc="none", mew=0.8, label=words)
        axes.plot([], [], color="0.3", lw=0.5, alpha=0.6, label=f"N = {_label(data.attrs['few_atoms'])}")
        axes.set(xlabel=_TIME_LABEL, ylabel="log negativity (bits)", xlim=(0, 1), ylim=(0, None))
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=7)
        return figure


def draw_four_limit(data: xr.Dataset) -> Figure:
    """Draw Fig. 4 for N → ∞: log negativity against the rate at four magic times, with few and with many atoms."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(DOUBLE_COLUMN, 4.2), layout="constrained")
        panels = _panels_of_magic_times(figure)
        few, many = (_label(data.attrs[name]) for name in ("few_atoms", "many_atoms"))
        for number, axes in enumerate(panels):
            one = data.isel(magic_time=number)
            axes.semilogx(one.few_rate, one.few, "--", color=_SAFE[0], label=f"N = {few}")
            axes.semilogx(one.dephasing_rate, one.limit, ".-", color=_SAFE[1], ms=3, label="limit N → ∞")
            axes.plot(one.many_rate, one.many, "o", color="k", mfc="none", ms=5, mew=0.8, label=f"N = {many}")
        panels[0].set(ylim=(0, None))
        panels[1].legend(loc="upper right")
        return figure


def _panels_of_magic_times(figure: Figure) -> np.ndarray:
    """Make a panel for each of the paper's four magic times, the log negativity against the rate."""
    panels = figure.subplots(2, 2, sharex=True, sharey=True).ravel()
    for axes, letter, name in zip(panels, "abcd", ("π/3", "π/2", "2π/3", "π"), strict=True):
        axes.set_title(f"({letter})  t = {name}", loc="left", fontsize=8, fontweight="bold")
    for axes in panels[2:]:
        axes.set_xlabel("dephasing rate γ (units of the coupling)")
    for axes in panels[::2]:
        axes.set_ylabel("log negativity (bits)")
    return panels


def draw_best_time(data: xr.Dataset) -> Figure:
    """Draw the best log negativity of all times against the rate, and a map of times and rates where magic is best."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(DOUBLE_COLUMN, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        rates, levels = data.dephasing_rate.values, data.levels.values
        few, many = (_label(data.attrs[name]) for name in ("few_atoms", "many_atoms"))
        left.semilogx(rates, data.short, "-", color="k", lw=1.4, label="short times, N → ∞")
        left.plot(data.many_rate, data.many, "o", color="k", mfc="none", ms=5, mew=0.8, label=f"best time, N = {many}")
        left.semilogx(data.few_rate, data.few, "--", color=_SAFE[0], label=f"best time, N = {few}")
        for number, r in enumerate(level for level in levels if level in _NAMED_LEVELS):
            words = {"label": "t = 2π/r, N → ∞"} if number == 0 else {}
            curve = data.magic.sel(levels=r).values
            left.semilogx(rates, curve, ".-", color=_SAFE[1], ms=3, lw=0.7, **words)
            _name(left, f"r = {r}", (float(rates[0]), float(curve[0])), -3, _SAFE[1])
        _name(left, _time_name(data, "few", 0), (float(data.few_rate[0]), float(data.few[0])), -3, _SAFE[0])
        for index, (rate, value) in enumerate(zip(data.many_rate.values, data.many.values, strict=True)):
            _name(left, _time_name(data, "many", index), (float(rate), float(value)), 4, "k")
        left.set(ylabel="log negativity (bits)", ylim=(0, None), xlim=(rates[0] / 2.7, 2 * rates[-1]))
        left.legend(loc="upper right", fontsize=7)
        _map_of_times(right, data)
        for axes in (left, right):
            axes.set_xlabel("dephasing rate γ (units of the coupling)")
        left.set_title("(a)", loc="left", fontsize=8, fontweight="bold")
        right.set_title("(b)  N → ∞", loc="left", fontsize=8, fontweight="bold")
        return figure


def _name(axes, words: str, point: tuple[float, float], away: int, colour: str) -> None:
    """Write words to the left of a point, or to its right and above it."""
    place: Any = {"ha": "right", "va": "center"} if away < 0 else {"ha": "left", "va": "bottom"}
    axes.annotate(words, point, (away, max(away, 0)), textcoords="offset points", color=colour, fontsize=7, **place)


def _time_name(data: xr.Dataset, kind: str, index: int) -> str:
    time = float(data[f"{kind}_time"][index])
    r = round(2 * math.pi / time)
    return f"t = 2π/{r}" if abs(r * time - 2 * math.pi) < 1e-9 else f"t = {time:.3g}"


_NAMED_LEVELS = (2, 3, 4, 6, 12)
_ALIKE = 0.1  # bits


def _map_of_times(axes, data: xr.Dataset) -> None:
    """Mark at each magic time and rate whether it, or a time beside it, is better, or all short times are alike."""
    rates, times = np.meshgrid(data.dephasing_rate.values, 2 * np.pi / data.levels.values)
    alike = (data.short - np.minimum(data.magic, data.beside)).transpose(*data.magic.dims).values < _ALIKE
    magic = (data.magic > data.beside).values
    kinds = (
        (~alike & ~magic, "o", {"mfc": "w"}, _SAFE[0], "best beside 2π/r"),
        (~alike & magic, "D", {}, _SAFE[1], "best at 2π/r"),
        (alike, "s", {}, "0.7", f"both within {_ALIKE:g} bits of short times"),
    )
    for chosen, mark, style, colour, words in kinds:
        axes.loglog(rates[chosen], times[chosen], mark, ms=4, ls="none", color=colour, label=words, **style)
    crossing = data.attrs["crossing"]
    scale = np.geomspace(data.dephasing_rate.values[0] / 1.3, data.dephasing_rate.values[-1] * 1.3, 2)
    axes.loglog(scale, 4 * np.pi**2 * scale / crossing, "--", color="0.3", lw=0.8, label=f"γtr² = {crossing:g}")
    axes.set(ylabel="time t (1/coupling)", xlim=scale[[0, -1]], ylim=(times.min() / 1.3, times.max() * 1.3))
    axes.set_yticks(times[:, 0], [f"2π/{r}" for r in data.levels.values], minor=False)
    axes.minorticks_off()
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower right", ncols=2, fontsize=7)


def draw_saturation(data: xr.Dataset) -> Figure:
    """Draw the log negativity against N at a fixed rate, less, and none, and its limit N → ∞ against the rate."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(DOUBLE_COLUMN, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        rate, atoms = data.attrs["rate_against_n_atoms"], data.n_atoms.values
        left.semilogx(atoms, data.pure, "--", color="0.3", lw=1.0)
        weaker = data.attrs["weaker_rate"]
        generic_time = float(data.time.sel(time_name="generic"))
        left.semilogx(atoms, data.weaker, "o-", color=_SAFE[0], mfc="w", ms=3, clip_on=False)
        _mark_scale(left, atoms, data.weaker, 1 / (weaker * generic_time), _SAFE[0])
        for name, colour, mark in zip(data.time_name.values, _SAFE, "os^", strict=False):
            one = data.sel(time_name=name)
            words = "t = 2π/ϕ²" if name == "generic" else f"t = {name}"
            left.semilogx(atoms, one.log_negativity, mark + "-", color=colour, ms=3, clip_on=False, label=words)
            left.axhline(float(one.limit.sel(dephasing_rate=rate, method="nearest")), color=colour, lw=0.8, ls=":")
            _mark_scale(left, atoms, one.log_negativity, 1 / (rate * float(one.time)), colour)
            right.semilogx(data.dephasing_rate, one.limit, mark + "-", color=colour, ms=3)
        left.plot([], [], "o-", color=_SAFE[0], mfc="w", ms=3, label=f"t = 2π/ϕ², γ = {weaker:g}")
        left.plot([], [], "--", color="0.3", lw=1.0, label="t = 2π/ϕ², γ = 0")
        left.plot([], [], ":", color="0.3", lw=0.8, label="limit N → ∞")
        left.plot([], [], "|", color="0.3", ms=9, mew=1.2, ls="none", label="N = 1/(γt)")
        left.set(xlabel="atoms per ensemble N", ylim=(0, 4.2), xlim=(atoms[0], atoms[-1]))
        generic = data.sel(time_name="generic")
        law = -np.log2(generic.dephasing_rate * float(generic.time)) / 2
        constant = float((generic.limit - law).mean())
        right.semilogx(data.dephasing_rate, law + constant, "-.", color="0.3", lw=0.8, zorder=3)
        right.plot([], [], "-.", color="0.3", lw=0.8, label=f"−½ log$_2$(γt) − {-constant:.2f}, t = 2π/ϕ²")
        right.set(xlabel="dephasing rate γ (units of the coupling)", ylim=(0, 4.2))
        right.legend(loc="upper right", fontsize=7)
        for axes in (left, right):
            axes.set_ylabel("log negativity (bits)")
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=7)
        left.set_title(f"(a)  γ = {rate:g}", loc="left", fontsize=8, fontweight="bold")
        right.set_title("(b)  N → ∞", loc="left", fontsize=8, fontweight="bold")
        return figure


def _mark_scale(axes, atoms, values, scale: float, colour) -> None:
    """Mark a curve over log N at N = `scale`."""
    height = np.interp(math.log(scale), np.log(atoms), values)
    axes.plot(scale, height, "|", color=colour, ms=12, mew=1.2)


def draw_single_atom(data: xr.Dataset) -> Figure:
    """Draw the log negativity against the rate, of collective noise and of single atoms, at four magic times."""
    kinds = {"collective": "-", "dephasing": "--", "loss": ":"}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(DOUBLE_COLUMN, 4.6), layout="constrained")
        panels = _panels_of_magic_times(figure)
        colours = mpl.colormaps["viridis"](np.linspace(0.0, 0.9, data.sizes["n_atoms"]))
        for number, axes in enumerate(panels):
            for colour, n_atoms in zip(colours, data.n_atoms.values, strict=True):
                one = data.sel(n_atoms=n_atoms).isel(magic_time=number)
                one = one.isel(dephasing_rate=one.dephasing_rate.values > 0)
                for name, line in kinds.items():
                    axes.semilogx(one.dephasing_rate, one[name], line, color=colour, marker=".", ms=3)
        for colour, n_atoms in zip(colours, data.n_atoms.values, strict=True):
            panels[0].plot([], [], color=colour, label=f"N = {_label(int(n_atoms))}")
        names = ("collective dephasing, γ", "single atoms: dephasing, γ$_1$ = γ", "single atoms: loss, Γ = 2γ")
        for name, line in zip(names, kinds.values(), strict=True):
            panels[3].plot([], [], line, color="0.3", label=name)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=7)
        panels[3].legend(loc="upper right", fontsize=7)
        panels[0].set(ylim=(0, None))
        for axes in panels[2:]:
            axes.set_xlabel("rate γ of the measured ensemble (units of the coupling)")
        return figure


def draw_resolution(data: xr.Dataset) -> Figure:
    """Draw the log negativity against the resolution at each time, and the resolution that costs half a bit."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(DOUBLE_COLUMN, 4.6), layout="constrained")
        panels = figure.subplots(2, 2).ravel()
        colours = mpl.colormaps["viridis"](np.linspace(0.0, 0.9, data.sizes["n_atoms"]))
        for axes, name in zip(panels, data.time_name.values, strict=False):
            for colour, mark, n_atoms in zip(colours, "os^D", data.n_atoms.values, strict=False):
                one = data.sel(n_atoms=n_atoms, time_name=name)
                keep = one.resolution.values > 0
                share = one.resolution.values[keep] / math.sqrt(n_atoms)
                label = f"N = {_label(int(n_atoms))}"
                axes.semilogx(share, one.log_negativity.values[keep], mark + "-", color=colour, ms=3, label=label)
            axes.set(xlabel="resolution σ/√N", ylabel="log negativity (bits)", xlim=(0.08, 60), ylim=(0, None))
        shares = data.share.values
        for line, n_atoms in zip(("--", "-.", ":"), data.pure_atoms.values, strict=False):
            values = data.pure.sel(pure_atoms=n_atoms).values[shares > 0]
            panels[2].semilogx(shares[shares > 0], values, line, color="0.3", label=f"γ = 0, N = {n_atoms}")
        panels[2].set(ylim=(0, 1.05 * float(data.pure.max())))
        last = panels[3]
        for name, colour, mark in zip(data.time_name.values, _SAFE, "os^", strict=False):
            half = data.half_bit.sel(time_name=name)
            last.loglog(data.n_atoms, half, mark + "-", color=colour, ms=3, label=f"t = {_time_words(name)}")
        last.loglog(data.pure_atoms, data.pure_half_bit, "D", color="k", mfc="none", ms=4, label="t = 2π/ϕ², γ = 0")
        ends = np.array([data.pure_atoms.values.min(), 2 * data.pure_atoms.values.max()])
        last.loglog(ends, np.sqrt(ends) / 5, ":", color="0.3", lw=0.8, label="σ = √N/5")
        last.set(xlabel="atoms per ensemble N", ylabel="σ at which half a bit is lost", ylim=(0.2, None))
        panels[0].legend(loc="lower left", fontsize=7)
        handles, labels = panels[2].get_legend_handles_labels()
        pure = slice(data.sizes["n_atoms"], None)
        panels[2].legend(handles[pure], labels[pure], loc="upper right", fontsize=7)
        last.legend(loc="lower right", fontsize=7)
        titles = [
            f"({letter})  t = {_time_words(name)}" for letter, name in zip("abc", data.time_name.values, strict=False)
        ]
        for axes, title in zip(panels, [*titles, "(d)"], strict=True):
            axes.set_title(title, loc="left", fontsize=8, fontweight="bold")
        return figure


def draw_atom_numbers(data: xr.Dataset) -> Figure:
    """Draw the log negativity against the spread of the numbers of atoms, for each coupling, and for unknown ones."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(DOUBLE_COLUMN, 2.7), layout="constrained")
        panels = figure.subplots(1, 3, sharey=True)
        lines = dict(zip(data.n_atoms.values, (":", "--", "-"), strict=False))
        for axes, coupling in zip(panels, data.coupling.values, strict=False):
            for name, colour in zip(data.time_name.values, _SAFE, strict=False):
                for n_atoms, line in lines.items():
                    one = data.sel(coupling=coupling, time_name=name, n_atoms=n_atoms)
                    error = one.standard_error
                    axes.errorbar(one.share, one.known, error, fmt=line, color=colour, marker="o", ms=2.5, lw=1)
        for coupling, line in zip(data.coupling.values, ("-", "--"), strict=False):
            for name, colour in zip(data.time_name.values, _SAFE, strict=False):
                values = data.unknown.sel(coupling=coupling, time_name=name)
                panels[2].plot(data.few_share, values, line, color=colour, marker="s", ms=2.5, lw=1)
        for name, colour in zip(data.time_name.values, _SAFE, strict=False):
            panels[0].plot([], [], color=colour, label=f"t = {_time_words(name)}")
        for n_atoms, line in lines.items():
            panels[0].plot([], [], line, color="0.3", label=f"N = {n_atoms}")
        for name, line in (("$n_a n_a$", "-"), ("$S_z S_z$", "--")):
            panels[2].plot([], [], line, color="0.3", label=name)
        titles = ("(a)  $n_a n_a$, numbers known", "(b)  $S_z S_z$, numbers known")
        for axes, title in zip(panels, [*titles, f"(c)  numbers unknown, N = {int(data.few_atoms)}"], strict=True):
            axes.set(xlabel="spread of the numbers of atoms / √N", ylim=(0, None))
            axes.set_title(title, loc="left", fontsize=8, fontweight="bold")
        panels[0].set_ylabel("log negativity (bits)")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=6, fontsize=7)
        panels[2].legend(loc="lower left", fontsize=7)
        return figure


def _time_words(name: str) -> str:
    return "2π/ϕ²" if name == "generic" else name


def draw_husimi(data: xr.Dataset) -> Figure:
    """Draw the Husimi functions as maps of equal areas, a row for each result and a column for each time."""
    with mpl.rc_context(STYLE):
        rows, columns = data.sizes["result"], data.sizes["time_name"]
        figure = Figure(figsize=(DOUBLE_COLUMN, 1.35 * rows + 0.5), layout="constrained")
        panels = figure.subplots(rows, columns, subplot_kw={"projection": "mollweide"})
        longitude, latitude = data.phi.values, math.pi / 2 - data.theta.values
        names = {
            "Dicke state": "last end found with $S_z = 0$",
            "coherent state": "last end found coherent",
            "Dicke state, dephasing": f"$S_z = 0$, γ = {data.attrs['dephasing_rate']:g}",
        }
        mesh: Any = None
        for number, axes in enumerate(panels.ravel()):
            row, column = divmod(number, columns)
            values = data.husimi[row, column].values
            top = float(data.husimi[row].max())
            mesh = axes.pcolormesh(longitude, latitude, values / top, cmap="magma_r", vmin=0, vmax=1, rasterized=True)
            axes.grid(visible=True, color="0.6", lw=0.3)
            axes.set_xticks(np.pi * np.array([-0.5, 0.0, 0.5]), ["", "", ""])
            axes.set_yticks(np.pi * np.array([-0.25, 0.0, 0.25]), ["", "", ""])
            letter = f"({chr(ord('a') + number)})"
            if row == 0:
                letter += f"  t = {data.time_name.values[column]}"
            axes.set_title(letter, loc="left", fontsize=8, fontweight="bold")
            if column == 0:
                axes.set_ylabel(names[str(data.result.values[row])], fontsize=7)
        bar = figure.colorbar(mesh, ax=panels, shrink=0.5, aspect=25)
        bar.set_label("Husimi function Q / maximum of the row")
        bar.outline.set_linewidth(0.6)
        return figure


def draw_witness(data: xr.Dataset) -> Figure:
    """Draw what two measured bases certify against dephasing and against the detector's resolution, for each r."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(DOUBLE_COLUMN, 3.0), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        largest = int(data.levels.max())
        colours = {
            int(r): mpl.colormaps["viridis"](0.9 * place / max(1, data.sizes["levels"] - 1))
            for place, r in enumerate(data.levels.values)
        }
        rates = data.dephasing_rate.values
        for r in data.levels.values:
            values = data.by_rate.sel(levels=r).values
            left.semilogx(rates[rates > 0], values[rates > 0], "-", color=colours[int(r)], label=f"r = {int(r)}")
            left.plot(float(data.last_rate.sel(levels=r)), r - 1, "o", color=colours[int(r)], ms=3.5)
        for r in data.resolved_levels.values:
            values = data.by_resolution.sel(resolved_levels=r).values
            right.plot(data.share.values, values, "s-", color=colours[int(r)], ms=2.5)
            right.plot(float(data.last_share.sel(resolved_levels=r)), r - 1, "o", color=colours[int(r)], ms=3.5)
        for axes in (left, right):
            for number in range(1, largest + 1):
                axes.axhline(number, color="0.85", lw=0.4, zorder=0)
            axes.axhline(1, color="0.4", lw=0.8, ls="--", zorder=0)
            axes.set(ylim=(0, largest + 0.3), yticks=range(largest + 1))
        bits = right.twinx()
        marks = [0, 1, 1.5, 2, 2.5, 3]
        bits.set(ylabel="certified log negativity (bits)", ylim=left.get_ylim(), yticks=[2**mark for mark in marks])
        bits.set_yticklabels([str(mark) for mark in marks])
        bits.spines["right"].set_visible(True)
        rate = data.attrs["dephasing_rate_of_resolutions"]
        left.set(xlabel="dephasing rate γ (coupling)", ylabel="r (C₁ + C₂ - 1)")
        right.set(xlabel="resolution σ/N", xlim=(0, None))
        left.text(0.02, 1.08, "nothing certified below", fontsize=6, color="0.3", transform=left.get_yaxis_transform())
        right.plot([], [], "o", color="0.3", ms=3.5, label="Schmidt number r certified up to here")
        right.legend(loc="upper right", fontsize=7)
        handles, labels = left.get_legend_handles_labels()
        left.legend(handles[::-1], labels[::-1], loc="upper right", fontsize=7)
        atoms = _label(int(data.attrs["n_atoms"]))
        left.set_title(f"(a)  N = {atoms}, t = 2π/r", loc="left", fontsize=8, fontweight="bold")
        right.set_title(f"(b)  the same, γ = {rate:g}", loc="left", fontsize=8, fontweight="bold")
        return figure


def draw_offsets(data: xr.Dataset) -> Figure:
    """Draw the gain of the best phase offset over the textbook one, and both offsets, along four parameters."""
    labels = {
        "n_atoms": "atoms per ensemble N",
        "n_ensembles": "ensembles M",
        "dephasing_rate": "rate γ (coupling)",
        "time": "time t (1/coupling)",
    }
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(DOUBLE_COLUMN, 4.4), layout="constrained")
        panels = figure.subplots(2, 4, sharex="col")
        for column, (direction, label) in enumerate(labels.items()):
            gain_axes, offset_axes = panels[:, column]
            at = data[direction].values
            gain = data[f"best_{direction}"].values - data[f"textbook_{direction}"].values
            line = "o" if direction == "time" else "o-"  # no line: the best offset jumps between maxima
            gain_axes.errorbar(at, 1e3 * gain, 1e3 * data[f"error_{direction}"].values, fmt=line, ms=3, color="C0")
            gain_axes.axhline(0, color="0.6", lw=0.6)
            offset_axes.plot(at, data[f"best_offset_{direction}"], line, ms=3, color="C0", label="best")
            offset_axes.plot(at, data[f"textbook_offset_{direction}"], "--", color="0.3", label="textbook, t/4")
            offset_axes.margins(y=0.15)
            offset_axes.set(xlabel=label, ylim=(0, None))
            gain_axes.set_title(f"({'abcd'[column]})", loc="left", fontsize=8, fontweight="bold")
            if direction == "dephasing_rate":
                gain_axes.set_xscale("log")
        panels[0, 0].set_ylabel("gain of the best offset ($10^{-3}$ bits)")
        panels[1, 0].set_ylabel("phase offset φ (rad)")
        panels[1, 0].legend(loc="lower right")
        return figure


def draw_curves(
    curves: Sequence[EntropyCurve], names: Sequence[str], title: str, limits: tuple[float, float]
) -> Figure:
    """Draw E(t) of several chains between two times: lines at evenly spaced times, dots at magic times between."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(DOUBLE_COLUMN, 3.4), layout="constrained")
        axes = figure.subplots()
        colours = mpl.colormaps["viridis"](np.linspace(0.0, 0.85, len(curves)))
        for colour, curve, name in zip(colours, curves, names, strict=True):
            time, even = curve.time / np.pi, curve.levels == 0
            axes.plot(time[even], curve.entropy[even], color=colour, label=name)
            axes.plot(time[~even], curve.entropy[~even], ".", color=colour, ms=3)
        axes.plot([], [], ".", color="0.3", ms=3, label="at 2πp/r")
        axes.set(xlabel=_TIME_LABEL, ylabel="end-to-end entanglement E (bits)", ylim=(0, None))
        axes.set_xlim(limits[0] / np.pi, limits[1] / np.pi)
        axes.set_title(title, loc="left", fontsize=8)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", fontsize=7)
        return figure


def draw_history(history, objective: str) -> Figure:
    """Draw the objective and the norm of its gradient at every step of every start of an optimization."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(DOUBLE_COLUMN, 2.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        steps = np.arange(1, len(history.value) + 1)
        colours = mpl.colormaps["viridis"](np.linspace(0.0, 0.9, history.value.shape[1]))
        for colour, value, gradient in zip(colours, history.value.T, history.slope.T, strict=True):
            left.plot(steps, value, color=colour, marker=".", ms=3)
            right.semilogy(steps, np.where(gradient > 0, gradient, np.nan), color=colour, marker=".", ms=3)
        left.set(xlabel="step", ylabel=objective.replace("_", " "))
        right.set(xlabel="step", ylabel="norm of its gradient")
        for axes, letter in ((left, "(a)"), (right, "(b)")):
            axes.set_title(letter, loc="left", fontsize=8, fontweight="bold")
            axes.xaxis.get_major_locator().set_params(integer=True)
        return figure


def _rate_label(rate: float) -> str:
    return "0" if rate == 0 else f"$10^{{{round(math.log10(rate))}}}$"
