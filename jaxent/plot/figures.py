"""Draw the figures without noise: the paper's Figures 1 and 2, those beyond them, and what commands compute."""

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from jaxent.plot.sheet import PAGE, SAFE, STYLES, Sheet, Size, colours, count_label, resolved, sheet
from jaxent.protocol.curve import EntropyCurve

__all__ = [
    "draw_curves",
    "draw_figure_large",
    "draw_figure_one",
    "draw_figure_two",
    "draw_history",
    "draw_offsets",
    "draw_protocol",
    "draw_zoom",
]

_TIME_LABEL = "interaction time t (π/coupling)"
_ENTROPY_LABEL = "end-to-end entanglement E (bits)"
_SHARE_LABEL = "$E\\,/\\,\\log_2(N+1)$"


def draw_protocol(data: xr.Dataset, size: Size = PAGE) -> Figure:
    """Draw the protocol for three ensembles, and below it E(t) with its magic times."""
    with sheet(size) as page:
        above, below = page.panels(2, 1, 4.4 if not page.narrow else 4.0, height_ratios=[1, 1.5])
        _chain_of_three(page, above)
        below.plot(data.time / np.pi, data.entropy, color=SAFE[1])
        below.plot(data.magic_time / np.pi, data.at_magic_times, "o", color=SAFE[0], clip_on=False)
        for r in (2, 3, 4, 5, 6):
            place = int(np.flatnonzero(data.levels.values == r)[-1])
            at = (float(data.magic_time[place]) / np.pi, float(data.at_magic_times[place]))
            page.name(below, f"r = {r}" if r == 2 else str(r), at, "left" if r == 2 else "down", SAFE[0])
        below.plot([], [], "o", color=SAFE[0], label="magic times t = 2πp/r: E = log$_2$ r")
        most = math.log2(data.attrs["n_atoms"] + 1.0)
        below.axhline(most / 2, color="0.3", ls="--", label="½ log$_2$(N + 1)")
        below.set(xlabel=_TIME_LABEL, ylabel=_ENTROPY_LABEL, xlim=(0, 1), ylim=(0, 1.35 * float(data.entropy.max())))
        below.legend(loc="upper right", ncols=1 if page.narrow else 2)
        page.letters((above, below), ("", f"N = {count_label(data.attrs['n_atoms'])}"))
        return page.figure


def _chain_of_three(page, axes) -> None:
    """Draw three ensembles, their interactions, the measurement of the middle one and the entangled ends."""
    axes.set(xlim=(-3.4, 3.4), ylim=(-1.7, 1.3), aspect="equal")
    axes.set_axis_off()
    for number, x in enumerate((-2.4, 0.0, 2.4), start=1):
        axes.add_patch(Circle((x, 0), 0.6, fc="0.94", ec="k", lw=0.9 * page.scale))
        axes.text(x, 0, f"{number}\nN atoms", ha="center", va="center")
    for x, text in ((-1.2, "−g n$_1$n$_2$"), (1.2, "g n$_2$n$_3$")):
        axes.plot([x - 0.6, x + 0.6], [0, 0], color="k")
        axes.text(x, 0.12, text, ha="center", va="bottom")
        axes.text(x, -0.12, "for t", ha="center", va="top")
    axes.annotate("", (0, 1.05), (0, 0.6), arrowprops={"arrowstyle": "->", "lw": 0.9 * page.scale})
    axes.text(0, 1.08, "turn by φ, count q", ha="center", va="bottom")
    arc = {
        "arrowstyle": "<->",
        "connectionstyle": "arc3,rad=0.28",
        "ls": "--",
        "color": SAFE[1],
        "lw": 1.1 * page.scale,
    }
    axes.annotate("", (2.4, -0.65), (-2.4, -0.65), arrowprops=arc)
    axes.text(0, -1.5, "entangled ends: E bits", ha="center", va="center", color=SAFE[1])


def draw_figure_one(data: xr.Dataset, size: Size = PAGE) -> Figure:
    """Draw Fig. 1: E(t), and E(t) / log2(N+1), for every N: lines where the times resolve the dips, else points."""
    with sheet(size) as page:
        left, right = page.panels(1, 2, 3.6)
        marks = []
        for colour, n_atoms in zip(colours(data.sizes["n_atoms"]), data.n_atoms.values, strict=True):
            curve = data.sel(n_atoms=n_atoms)
            keep = np.isfinite(curve.time.values)
            time, entropy = curve.time.values[keep], curve.entropy.values[keep]
            if resolved(time, int(n_atoms)):
                line = {"lw": 0.8 * page.scale}
            else:
                line = {"ls": "", "marker": "o", "ms": min(1.6, 26 / math.sqrt(len(time))) * page.scale, "mew": 0}
            for axes, scale in ((left, 1.0), (right, np.log2(n_atoms + 1.0))):
                axes.plot(time / np.pi, entropy / scale, color=colour, **line)
            text = f"N = {count_label(int(n_atoms))}"
            if not page.narrow:
                text += f"  (D = {int(curve.dimension)})"
            marks.append((float(np.quantile(entropy, 0.8 if n_atoms > 20 else 0.3)), text, colour))
        _frame(page, left, right, marks, 0.8)
        page.letters((left, right), ("", ""))
        return page.figure


def draw_figure_large(data: xr.Dataset, size: Size = PAGE) -> Figure:
    """Draw E(t), and E(t) / log2(N+1), for large N: points at evenly spaced times, and at magic times between."""
    with sheet(size) as page:
        left, right = page.panels(1, 2, 3.6)
        shades = colours(data.sizes["n_atoms"])
        marks = []
        for colour, mark, n_atoms in zip(shades, "os^D", data.n_atoms.values, strict=False):
            curve = data.sel(n_atoms=n_atoms)
            keep = np.isfinite(curve.time.values)
            time, entropy, magic = (curve[name].values[keep] for name in ("time", "entropy", "levels"))
            for axes, scale in ((left, 1.0), (right, math.log2(n_atoms + 1))):
                even = magic == 0
                style = {"color": colour, "ms": 1.8 * page.scale, "mew": 0.5 * page.scale}
                axes.plot(time[even] / np.pi, entropy[even] / scale, mark, **style)
                axes.plot(time[~even] / np.pi, entropy[~even] / scale, mark, mfc="none", **style)
            marks.append((float(np.median(entropy[magic == 0])), f"N = {count_label(int(n_atoms))}", colour))
        left.plot([], [], "o", color="0.3", label="between magic times")
        left.plot([], [], "o", color="0.3", mfc="none", label="at magic times 2πp/r")
        _frame(page, left, right, marks, 0.7)
        page.legend(*left.get_legend_handles_labels())
        page.letters((left, right), ("", ""))
        return page.figure


def _frame(page: Sheet, left, right, marks: list, top: float) -> None:
    """Label E(t) and its share of the maximum, with names of the curves, magic times and the half."""
    right.axhline(0.5, color="0.2", ls="--", zorder=5)
    left.set(ylabel=_ENTROPY_LABEL, ylim=(0, None))
    right.set(ylabel=_SHARE_LABEL, ylim=(0, top))
    for axes in (left, right):
        axes.set(xlabel=_TIME_LABEL, xlim=(0, 1))
        page.dips(axes)
    page.names_at_right(left, marks, 1.0)
    page.name(right, "1/2", (1.0, 0.5), "right")


def draw_zoom(data: xr.Dataset, size: Size = PAGE) -> Figure:
    """Draw E(t) around the dip at π/2 on three scales, with magic times, and the floor of the dip for several N."""
    with sheet(size) as page:
        panels = page.panels(2, 2, 4.6)
        for axes, half_width in zip(panels, data.half_width.values, strict=False):
            one = data.sel(half_width=half_width)
            keep = np.isfinite(one.distance.values)
            exponent = math.floor(math.log10(half_width))
            distance = one.distance.values[keep] / 10.0**exponent
            entropy, levels = one.entropy.values[keep], one.levels.values[keep].astype(int)
            magic = levels > 0
            axes.plot(distance[~magic], entropy[~magic], "o", ms=2 * page.scale, color=SAFE[1], label="evenly spaced")
            axes.plot(distance[magic], entropy[magic], "v", color=SAFE[0], mfc="none", label="magic times 2πp/r")
            axes.set(xlabel=f"t − π/2  ($10^{{{exponent}}}$/coupling)", ylabel="E (bits)", ylim=(-1.5, 16))
            axes.margins(x=0.08)
            _name_deepest(page, axes, distance[magic], entropy[magic], levels[magic])
        page.legend(*panels[0].get_legend_handles_labels())
        floor = panels[3]
        shades = colours(data.sizes["n_atoms"])
        for number, (colour, n_atoms) in enumerate(zip(shades, data.n_atoms.values, strict=True)):
            line = data.floor_entropy.sel(n_atoms=n_atoms)
            width = (3.2 - 0.8 * number) * page.scale  # the lines lie on each other
            floor.plot(data.scaled_distance, line, color=colour, lw=width, label=f"N = {count_label(int(n_atoms))}")
        floor.set(xlabel="N (t − π/2)  (1/coupling)", ylabel="E (bits)", ylim=(1.9, None))
        floor.legend(loc="upper center")
        page.letters(panels, [f"N = {count_label(int(data.attrs['n_atoms_zoomed']))}", "", "", ""])
        return page.figure


def _name_deepest(page, axes, distance, entropy, levels) -> None:
    """Write r below the deepest dips, where there is room."""
    named: list[float] = []
    for index in np.argsort(levels, kind="stable"):
        if min((abs(distance[index] - x) for x in named), default=math.inf) < 0.16 * np.ptp(distance):
            continue
        named.append(distance[index])
        text = f"r = {levels[index]}" if index == np.argmin(levels) else str(levels[index])
        page.name(axes, text, (distance[index], entropy[index]), "down", SAFE[0])


def draw_figure_two(data: xr.Dataset, size: Size = PAGE) -> Figure:
    """Draw Fig. 2: E(t) in windows of several sizes, and their errors."""
    with sheet(size) as page:
        left, right = page.panels(1, 2, 3.2)
        time = data.time.values / np.pi
        left.plot(time, data.exact_entropy, color="k", lw=1.6 * page.scale, alpha=0.35, label="full basis")
        for window, style, colour in zip(data.window.values, STYLES, SAFE, strict=True):
            one = data.sel(window=window)
            left.plot(time, one.entropy, style, color=colour, label=f"c = {window:g}")
            right.semilogy(time, one.error, style, color=colour)
            right.semilogy(data.magic_time / np.pi, one.error_at_magic_times, "o", color=colour, clip_on=False)
        left.set(ylabel=_ENTROPY_LABEL, xlim=(0, 1), ylim=(0, None))
        right.set(ylabel="error |E$_{window}$ − E| (bits)", xlim=(0, 1), ylim=(2e-8, 3))
        left.legend(loc="lower right", ncols=2)
        right.plot([], [], "ko", label="at π/3, π/2, 2π/3, π")
        right.legend(loc="lower right")
        for axes in (left, right):
            axes.set_xlabel(_TIME_LABEL)
            page.dips(axes)
        page.letters((left, right), ("N = 100", ""))
        return page.figure


def draw_offsets(data: xr.Dataset, size: Size = PAGE) -> Figure:
    """Draw the gain of the best phase offset over the textbook one, and both offsets, along four parameters."""
    labels = {
        "n_atoms": "atoms per ensemble N",
        "n_ensembles": "ensembles M",
        "dephasing_rate": "rate γ (coupling)",
        "time": "time t (1/coupling)",
    }
    with sheet(size) as page:
        if page.narrow:  # a row for each parameter
            pairs = page.panels(4, 2, 6.4, stack=False).reshape(4, 2)
        else:
            pairs = page.panels(2, 4, 4.4, sharex="col").reshape(2, 4).T
        for number, (direction, label) in enumerate(labels.items()):
            gain_axes, offset_axes = pairs[number]
            at = data[direction].values
            gain = data[f"best_{direction}"].values - data[f"textbook_{direction}"].values
            line = "o" if direction == "time" else "o-"  # no line: the best offset jumps between maxima
            gain_axes.errorbar(at, 1e3 * gain, 1e3 * data[f"error_{direction}"].values, fmt=line, color=SAFE[1])
            gain_axes.axhline(0, color="0.6", lw=0.6 * page.scale)
            best, textbook = data[f"best_offset_{direction}"].values, data[f"textbook_offset_{direction}"].values
            offset_axes.plot(at, best, line, color=SAFE[1], label="best", clip_on=False)  # it may be 0
            offset_axes.plot(at, textbook, "--", color="0.3", label="textbook, t/4")
            offset_axes.set(xlabel=label, ylim=(0, 1.15 * max(best.max(), textbook.max())))
            if direction == "dephasing_rate":
                gain_axes.set_xscale("log")
                offset_axes.set_xscale("log")
            if page.narrow:
                gain_axes.set_xlabel(label)
            if page.narrow or number == 0:
                gain_axes.set_ylabel("gain ($10^{-3}$ bits)")
                offset_axes.set_ylabel("offset φ (rad)")
        page.letters(pairs[:, 0], [""] * 4)
        page.legend(*pairs[0, 1].get_legend_handles_labels())
        return page.figure


def draw_curves(
    curves: Sequence[EntropyCurve],
    n_atoms: Sequence[int],
    title: str,
    limits: tuple[float, float],
    size: Size = PAGE,
    label: str | None = None,
) -> Figure:
    """Draw E(t) of several chains between two times: lines or points at evenly spaced times, dots at magic ones."""
    with sheet(size) as page:
        (axes,) = page.panels(1, 1, 3.4)
        for colour, curve, n in zip(colours(len(curves)), curves, n_atoms, strict=True):
            time, even = curve.time / np.pi, curve.levels == 0
            style = "-" if resolved(curve.time[even], n) else "o"
            axes.plot(time[even], curve.entropy[even], style, color=colour, ms=1.6 * page.scale, label=f"N = {n}")
            axes.plot(time[~even], curve.entropy[~even], "v", color=colour, mfc="none", ms=2.4 * page.scale)
        axes.plot([], [], "v", color="0.3", mfc="none", label="at 2πp/r")
        axes.set(xlabel=_TIME_LABEL, ylabel=label or _ENTROPY_LABEL, ylim=(0, None))
        axes.set_xlim(limits[0] / np.pi, limits[1] / np.pi)
        axes.set_title(title, loc="left")
        place = "outside upper center" if page.narrow else "outside right upper"
        page.legend(*axes.get_legend_handles_labels(), place=place)
        return page.figure


def draw_history(history, objective: str, size: Size = PAGE) -> Figure:
    """Draw the objective and the norm of its gradient at every step of every start of an optimization."""
    with sheet(size) as page:
        left, right = page.panels(1, 2, 2.6)
        steps = np.arange(1, len(history.value) + 1)
        for colour, value, gradient in zip(
            colours(history.value.shape[1]), history.value.T, history.slope.T, strict=True
        ):
            left.plot(steps, value, color=colour, marker=".")
            right.semilogy(steps, np.where(gradient > 0, gradient, np.nan), color=colour, marker=".")
        left.set(xlabel="step", ylabel=objective.replace("_", " "))
        right.set(xlabel="step", ylabel="norm of its gradient")
        page.letters((left, right), ("", ""))
        for axes in (left, right):
            axes.xaxis.get_major_locator().set_params(integer=True)
        return page.figure
