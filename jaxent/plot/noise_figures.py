"""Draw the figures of the dephased protocol: the paper's Figures 3 and 4, those of many atoms, and of single ones."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from jaxent.plot.sheet import PAGE, SAFE, STYLES, Sheet, Size, colours, count_label, rate_label, sheet

__all__ = [
    "draw_best_time",
    "draw_figure_four",
    "draw_figure_three",
    "draw_four_limit",
    "draw_saturation",
    "draw_single_atom",
    "draw_three_limit",
]

_TIME_LABEL = "interaction time t (π/coupling)"
_RATE_LABEL = "dephasing rate γ (coupling)"
_VALUE_LABEL = "log negativity (bits)"
_MARKS = "os^Dv"
_ROOMY = 6.0  # inches of text of 8 points


def draw_figure_three(data: xr.Dataset, size: Size = PAGE) -> Figure:
    """Draw Fig. 3: logarithmic negativity against time for several dephasing rates."""
    with sheet(size) as page:
        (axes,) = page.panels(1, 1, 3.0)
        time = data.time.values / np.pi
        lines = zip(colours(data.sizes["dephasing_rate"]), data.dephasing_rate.values, strict=True)
        for number, (colour, rate) in enumerate(lines):
            one = data.sel(dephasing_rate=rate)
            style = (STYLES[0], STYLES[1])[number % 2]
            axes.plot(time, one.log_negativity, style, color=colour, label=f"γ = {rate_label(rate)}")
            axes.plot(data.magic_time / np.pi, one.log_negativity_at_magic_times, "o", color=colour, clip_on=False)
        axes.set(xlabel=_TIME_LABEL, ylabel=_VALUE_LABEL, xlim=(0, 1), ylim=(0, None))
        page.dips(axes)
        page.beside(axes, "M = 3, N = 30\ndots: magic times")
        return page.figure


def draw_figure_four(data: xr.Dataset, size: Size = PAGE) -> Figure:
    """Draw Fig. 4: logarithmic negativity against the dephasing rate at four magic times."""
    with sheet(size) as page:
        panels = _panels_of_magic_times(page, 4.2)
        shades = colours(data.sizes["n_atoms"])
        for number, axes in enumerate(panels):
            for colour, mark, n_atoms in zip(shades, _MARKS, data.n_atoms.values, strict=False):
                one = data.sel(n_atoms=n_atoms)
                keep = np.isfinite(one.dephasing_rate.values) & (one.dephasing_rate.values > 0)
                rate = one.dephasing_rate.values[keep]
                value = one.log_negativity.values[number][keep]
                axes.semilogx(rate, value, color=colour, marker=mark, label=f"N = {count_label(int(n_atoms))}")
        panels[0].set(ylim=(0, None), xlim=(1e-4, 1.0))
        panels[1].legend(loc="upper right")
        return page.figure


def draw_three_limit(data: xr.Dataset, size: Size = PAGE) -> Figure:
    """Draw Fig. 3 for N → ∞: lines at times that are not magic, dots at magic ones; with N = 30, and many atoms."""
    with sheet(size) as page:
        (axes,) = page.panels(1, 1, 3.4)
        for colour, style, rate in zip(SAFE, STYLES, data.dephasing_rate.values, strict=False):
            one = data.sel(dephasing_rate=rate)
            thin, thick = 0.5 * page.scale, 1.4 * page.scale
            axes.plot(one.few_time / np.pi, one.few, color=colour, lw=thin, alpha=0.6)
            axes.plot(one.time / np.pi, one.limit, style, color=colour, lw=thick, label=f"γ = {rate_label(rate)}")
            axes.plot(one.limit_magic_time / np.pi, one.at_magic, "o", color=colour, clip_on=False)
            for mark, n_atoms in zip("xo", one.many_atoms.values, strict=True):
                values = one.many.sel(many_atoms=n_atoms)
                style_of_many: Any = {"ms": 6 * page.scale, "mfc": "none", "color": "k", "clip_on": False}
                axes.plot(one.magic_time / np.pi, values, mark, **style_of_many)
        axes.plot([], [], color="0.3", lw=1.4 * page.scale, label="N → ∞")
        axes.plot([], [], "o", color="0.3", label="N → ∞, at 2πp/r")
        for mark, n_atoms in zip("xo", data.many_atoms.values, strict=True):
            words = f"N = {count_label(int(n_atoms))}, at 2πp/r"
            axes.plot([], [], mark, color="k", ms=6 * page.scale, mfc="none", label=words)
        few = f"N = {count_label(data.attrs['few_atoms'])}"
        axes.plot([], [], color="0.3", lw=0.5 * page.scale, alpha=0.6, label=few)
        axes.set(xlabel=_TIME_LABEL, ylabel=_VALUE_LABEL, xlim=(0, 1), ylim=(0, None))
        page.dips(axes)
        page.beside(axes)
        return page.figure


def draw_four_limit(data: xr.Dataset, size: Size = PAGE) -> Figure:
    """Draw Fig. 4 for N → ∞: log negativity against the rate at four magic times, with few and with many atoms."""
    with sheet(size) as page:
        panels = _panels_of_magic_times(page, 4.2)
        few, many = (count_label(data.attrs[name]) for name in ("few_atoms", "many_atoms"))
        for number, axes in enumerate(panels):
            one = data.isel(magic_time=number)
            axes.semilogx(one.few_rate, one.few, "--", color=SAFE[0], label=f"N = {few}")
            axes.semilogx(one.dephasing_rate, one.limit, ".-", color=SAFE[1], label="N → ∞")
            axes.plot(one.many_rate, one.many, "o", color="k", mfc="none", ms=5 * page.scale, label=f"N = {many}")
        panels[0].set(ylim=(0, None))
        panels[1].legend(loc="upper right")
        return page.figure


def _panels_of_magic_times(page: Sheet, height: float, label: str = _RATE_LABEL) -> np.ndarray:
    """Make a panel for each of the paper's four magic times, the log negativity against the rate."""
    panels = page.panels(2, 2, height, sharex=True, sharey=True)
    page.letters(panels, [f"t = {name}" for name in ("π/3", "π/2", "2π/3", "π")])
    for axes in panels[3:] if page.narrow else panels[2:]:
        axes.set_xlabel(label)
    for axes in panels if page.narrow else panels[::2]:
        axes.set_ylabel(_VALUE_LABEL)
    return panels


def draw_best_time(data: xr.Dataset, size: Size = PAGE) -> Figure:
    """Draw the best log negativity of all times against the rate, and a map of times and rates where magic is best."""
    with sheet(size) as page:
        left, right = page.panels(1, 2, 3.8)
        rates, levels = data.dephasing_rate.values, data.levels.values
        few, many = (count_label(data.attrs[name]) for name in ("few_atoms", "many_atoms"))
        left.semilogx(rates, data.short, "-", color="k", lw=1.4 * page.scale, label="short times, N → ∞")
        ring: Any = {"color": "k", "mfc": "none", "ms": 5 * page.scale}
        left.plot(data.many_rate, data.many, "o", label=f"best time, N = {many}", **ring)
        left.semilogx(data.few_rate, data.few, "--", color=SAFE[0], label=f"best time, N = {few}")
        for number, r in enumerate(level for level in levels if level in _NAMED_LEVELS):
            words = {"label": "t = 2π/r, N → ∞"} if number == 0 else {}
            curve = data.magic.sel(levels=r).values
            left.semilogx(rates, curve, ".-", color=SAFE[1], **words)
            page.name(left, f"r = {r}", (float(rates[0]), float(curve[0])), "left", SAFE[1])
        first = (float(data.few_rate[0]), float(data.few[0]))
        page.name(left, _time_name(data, "few", 0), first, "left", SAFE[0])
        for index, (rate, value) in enumerate(zip(data.many_rate.values, data.many.values, strict=True)):
            page.name(left, _time_name(data, "many", index), (float(rate), float(value)), "up right")
        left.set(ylabel=_VALUE_LABEL, ylim=(0, None), xlim=(rates[0] / 3.5, 2 * rates[-1]), xlabel=_RATE_LABEL)
        right.set_xlabel(_RATE_LABEL)
        _map_of_times(page, right, data)
        handles, words = right.get_legend_handles_labels()
        if page.width < _ROOMY:  # the curves leave no room
            above = left.get_legend_handles_labels()
            handles, words = above[0] + handles, above[1] + words
        else:
            left.legend(loc="upper right")
        page.legend(handles, words, place="outside lower right")
        page.letters((left, right), ("", "N → ∞"))
        return page.figure


def _time_name(data: xr.Dataset, kind: str, index: int) -> str:
    time = float(data[f"{kind}_time"][index])
    r = round(2 * math.pi / time)
    return f"t = 2π/{r}" if abs(r * time - 2 * math.pi) < 1e-9 else f"t = {time:.3g}"


_NAMED_LEVELS = (2, 3, 4, 6, 12)
_ALIKE = 0.1  # bits


def _map_of_times(page: Sheet, axes, data: xr.Dataset) -> None:
    """Mark at each magic time and rate whether it, or a time beside it, is better, or all short times are alike."""
    rates, times = np.meshgrid(data.dephasing_rate.values, 2 * np.pi / data.levels.values)
    alike = (data.short - np.minimum(data.magic, data.beside)).transpose(*data.magic.dims).values < _ALIKE
    magic = (data.magic > data.beside).values
    kinds: Sequence[tuple[np.ndarray, str, dict, str, str]] = (
        (~alike & ~magic, "o", {"mfc": "w"}, SAFE[0], "best beside 2π/r"),
        (~alike & magic, "D", {}, SAFE[1], "best at 2π/r"),
        (alike, "s", {}, "0.7", f"both within {_ALIKE:g} bits of short times"),
    )
    for chosen, mark, style, colour, words in kinds:
        style = style | {"ms": 4 * page.scale, "ls": "none", "color": colour}
        axes.loglog(rates[chosen], times[chosen], mark, label=words, **style)
    crossing = data.attrs["crossing"]
    scale = np.geomspace(data.dephasing_rate.values[0] / 1.3, data.dephasing_rate.values[-1] * 1.3, 2)
    axes.loglog(scale, 4 * np.pi**2 * scale / crossing, "--", color="0.3", label=f"γtr² = {crossing:g}")
    axes.set(ylabel="time t (1/coupling)", xlim=scale[[0, -1]], ylim=(times.min() / 1.3, times.max() * 1.3))
    axes.set_yticks(times[:, 0], [f"2π/{r}" for r in data.levels.values], minor=False)
    axes.yaxis.set_minor_locator(NullLocator())


def draw_saturation(data: xr.Dataset, size: Size = PAGE) -> Figure:
    """Draw the log negativity against N at a fixed rate, less, and none, and its limit N → ∞ against the rate."""
    with sheet(size) as page:
        left, right = page.panels(1, 2, 3.4)
        rate, atoms = data.attrs["rate_against_n_atoms"], data.n_atoms.values
        left.semilogx(atoms, data.pure, "--", color="0.3")
        weaker = data.attrs["weaker_rate"]
        generic_time = float(data.time.sel(time_name="generic"))
        left.semilogx(atoms, data.weaker, "o-", color=SAFE[0], mfc="w", clip_on=False)
        _mark_scale(page, left, atoms, data.weaker, 1 / (weaker * generic_time), SAFE[0])
        for name, colour, mark in zip(data.time_name.values, SAFE, _MARKS, strict=False):
            one = data.sel(time_name=name)
            words = "t = 2π/ϕ²" if name == "generic" else f"t = {name}"
            left.semilogx(atoms, one.log_negativity, mark + "-", color=colour, clip_on=False, label=words)
            limit = float(one.limit.sel(dephasing_rate=rate, method="nearest"))
            left.axhline(limit, color=colour, ls=":")
            _mark_scale(page, left, atoms, one.log_negativity, 1 / (rate * float(one.time)), colour)
            right.semilogx(data.dephasing_rate, one.limit, mark + "-", color=colour)
        left.plot([], [], "o-", color=SAFE[0], mfc="w", label=f"t = 2π/ϕ², γ = {weaker:g}")
        left.plot([], [], "--", color="0.3", label="t = 2π/ϕ², γ = 0")
        left.plot([], [], ":", color="0.3", label="limit N → ∞")
        left.plot([], [], "|", color="0.3", ms=9 * page.scale, ls="none", label="N = 1/(γt)")
        left.set(xlabel="atoms per ensemble N", ylim=(0, 4.2), xlim=(atoms[0], atoms[-1]))
        generic = data.sel(time_name="generic")
        law = -np.log2(generic.dephasing_rate * float(generic.time)) / 2
        constant = float((generic.limit - law).mean())
        words = f"−½ log$_2$(γt) − {-constant:.2f}, t = 2π/ϕ²"
        right.semilogx(data.dephasing_rate, law + constant, "-.", color="0.3", zorder=3)
        right.plot([], [], "-.", color="0.3", label=words)
        right.set(xlabel=_RATE_LABEL, ylim=(0, 4.2))
        right.legend(loc="upper right")
        for axes in (left, right):
            axes.set_ylabel(_VALUE_LABEL)
        page.legend(*left.get_legend_handles_labels())
        page.letters((left, right), (f"γ = {rate:g}", "N → ∞"))
        return page.figure


def _mark_scale(page: Sheet, axes, atoms, values, scale: float, colour) -> None:
    """Mark a curve over log N at N = `scale`."""
    height = np.interp(math.log(scale), np.log(atoms), values)
    axes.plot(scale, height, "|", color=colour, ms=12 * page.scale, mew=1.2 * page.scale)


def draw_single_atom(data: xr.Dataset, size: Size = PAGE) -> Figure:
    """Draw the log negativity against the rate, of collective noise and of single atoms, at four magic times."""
    kinds = {"collective": "-", "dephasing": "--", "loss": ":"}
    with sheet(size) as page:
        panels = _panels_of_magic_times(page, 4.6, "rate γ of the measured ensemble (coupling)")
        shades = colours(data.sizes["n_atoms"])
        for number, axes in enumerate(panels):
            for colour, n_atoms in zip(shades, data.n_atoms.values, strict=True):
                one = data.sel(n_atoms=n_atoms).isel(magic_time=number)
                one = one.isel(dephasing_rate=one.dephasing_rate.values > 0)
                for name, line in kinds.items():
                    axes.semilogx(one.dephasing_rate, one[name], line, color=colour, marker=".")
        for colour, n_atoms in zip(shades, data.n_atoms.values, strict=True):
            panels[0].plot([], [], color=colour, label=f"N = {count_label(int(n_atoms))}")
        names = ("collective dephasing, γ", "single atoms: dephasing, γ$_1$ = γ", "single atoms: loss, Γ = 2γ")
        for name, line in zip(names, kinds.values(), strict=True):
            panels[3].plot([], [], line, color="0.3", label=name)
        page.legend(*panels[0].get_legend_handles_labels())
        panels[3].legend(loc="upper right")
        panels[0].set(ylim=(0, None))
        return page.figure
