"""Draw the figures of what a laboratory sees: detectors, numbers of atoms, witnesses, Husimi functions."""

import math
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from jaxent.plot.sheet import PAGE, SAFE, Size, colours, count_label, sheet

__all__ = ["draw_atom_numbers", "draw_husimi", "draw_resolution", "draw_witness"]

_VALUE_LABEL = "log negativity (bits)"
_MARKS = "os^D"


def _time_words(name: str) -> str:
    return "2π/ϕ²" if name == "generic" else name


def draw_resolution(data: xr.Dataset, size: Size = PAGE) -> Figure:
    """Draw the log negativity against the resolution at each time, and the resolution that costs half a bit."""
    with sheet(size) as page:
        panels = page.panels(2, 2, 4.6)
        shades = colours(data.sizes["n_atoms"])
        for axes, name in zip(panels, data.time_name.values, strict=False):
            for colour, mark, n_atoms in zip(shades, _MARKS, data.n_atoms.values, strict=False):
                one = data.sel(n_atoms=n_atoms, time_name=name)
                keep = one.resolution.values > 0
                share = one.resolution.values[keep] / math.sqrt(n_atoms)
                label = f"N = {count_label(int(n_atoms))}"
                axes.semilogx(share, one.log_negativity.values[keep], mark + "-", color=colour, label=label)
            axes.set(xlabel="resolution σ/√N", ylabel=_VALUE_LABEL, xlim=(0.08, 60), ylim=(0, None))
        shares = data.share.values
        for line, n_atoms in zip(("--", "-.", ":"), data.pure_atoms.values, strict=False):
            values = data.pure.sel(pure_atoms=n_atoms).values[shares > 0]
            panels[2].semilogx(shares[shares > 0], values, line, color="0.3", label=f"γ = 0, N = {n_atoms}")
        panels[2].set(ylim=(0, 1.05 * float(data.pure.max())))
        last = panels[3]
        for name, colour, mark in zip(data.time_name.values, SAFE, _MARKS, strict=False):
            half = data.half_bit.sel(time_name=name)
            last.loglog(data.n_atoms, half, mark + "-", color=colour, label=f"t = {_time_words(name)}")
        ring: Any = {"color": "k", "mfc": "none", "ms": 4 * page.scale}
        last.loglog(data.pure_atoms, data.pure_half_bit, "D", label="t = 2π/ϕ², γ = 0", **ring)
        ends = np.array([data.pure_atoms.values.min(), 2 * data.pure_atoms.values.max()])
        last.loglog(ends, np.sqrt(ends) / 5, ":", color="0.3", label="σ = √N/5")
        last.set(xlabel="atoms per ensemble N", ylabel="σ at which half a bit is lost", ylim=(0.2, None))
        last.set_ylim(top=300 * last.get_ylim()[1])  # the legend has room
        panels[0].legend(loc="lower left")
        handles, labels = panels[2].get_legend_handles_labels()
        pure = slice(data.sizes["n_atoms"], None)
        panels[2].legend(handles[pure], labels[pure], loc="upper right")
        last.legend(loc="upper left")
        page.letters(panels, [*(f"t = {_time_words(name)}" for name in data.time_name.values), ""])
        return page.figure


def draw_atom_numbers(data: xr.Dataset, size: Size = PAGE) -> Figure:
    """Draw the log negativity against the spread of the numbers of atoms, for each coupling, and for unknown ones."""
    with sheet(size) as page:
        panels = page.panels(1, 3, 2.7, sharey=True)
        lines = dict(zip(data.n_atoms.values, (":", "--", "-"), strict=False))
        for axes, coupling in zip(panels, data.coupling.values, strict=False):
            for name, colour, mark in zip(data.time_name.values, SAFE, _MARKS, strict=False):
                for n_atoms, line in lines.items():
                    one = data.sel(coupling=coupling, time_name=name, n_atoms=n_atoms)
                    style: Any = {"fmt": line, "color": colour, "marker": mark}
                    axes.errorbar(one.share, one.known, one.standard_error, **style)
        for coupling, line in zip(data.coupling.values, ("-", "--"), strict=False):
            for name, colour, mark in zip(data.time_name.values, SAFE, _MARKS, strict=False):
                values = data.unknown.sel(coupling=coupling, time_name=name)
                panels[2].plot(data.few_share, values, line, color=colour, marker=mark)
        for name, colour, mark in zip(data.time_name.values, SAFE, _MARKS, strict=False):
            panels[0].plot([], [], color=colour, marker=mark, label=f"t = {_time_words(name)}")
        for n_atoms, line in lines.items():
            panels[0].plot([], [], line, color="0.3", label=f"N = {n_atoms}")
        for name, line in (("$n_a n_a$", "-"), ("$S_z S_z$", "--")):
            panels[2].plot([], [], line, color="0.3", label=name)
        unknown = f"unknown, N = {int(data.few_atoms)}"
        page.letters(panels, ("$n_a n_a$, N known", "$S_z S_z$, N known", unknown))
        for axes in panels:
            axes.set(xlabel="spread of N / √N", ylim=(0, None))
        for axes in panels if page.narrow else panels[:1]:
            axes.set_ylabel(_VALUE_LABEL)
        page.legend(*panels[0].get_legend_handles_labels())
        panels[2].legend(loc="lower left")
        return page.figure


def draw_husimi(data: xr.Dataset, size: Size = PAGE) -> Figure:
    """Draw the Husimi functions as maps of equal areas, a row for each result and a column for each time."""
    with sheet(size) as page:
        rows, columns = data.sizes["result"], data.sizes["time_name"]
        height = (0.193 * page.width) * rows + 0.5
        panels = page.panels(rows, columns, height, stack=False, subplot_kw={"projection": "mollweide"})
        longitude, latitude = data.phi.values, math.pi / 2 - data.theta.values
        names = {
            "Dicke state": "$S_z = 0$ at the last end",
            "coherent state": "coherent last end",
            "Dicke state, dephasing": f"$S_z = 0$, γ = {data.attrs['dephasing_rate']:g}",
        }
        mesh: Any = None
        for number, axes in enumerate(panels):
            row, column = divmod(number, columns)
            values = data.husimi[row, column].values
            top = float(data.husimi[row].max())
            mesh = axes.pcolormesh(longitude, latitude, values / top, cmap="magma_r", vmin=0, vmax=1, rasterized=True)
            axes.grid(visible=True, color="0.6", lw=0.3 * page.scale)
            axes.set_xticks(np.pi * np.array([-0.5, 0.0, 0.5]), ["", "", ""])
            axes.set_yticks(np.pi * np.array([-0.25, 0.0, 0.25]), ["", "", ""])
            if page.narrow and column == 0:  # no room beside the map
                axes.set_xlabel(names[str(data.result.values[row])], loc="left")
            elif column == 0:
                axes.set_ylabel(names[str(data.result.values[row])])
        page.letters(panels, [f"t = {name}" for name in data.time_name.values] + [""] * (len(panels) - columns))
        bar = page.figure.colorbar(mesh, ax=panels.tolist(), shrink=0.5, aspect=25)
        bar.set_label("Q / maximum of the row")
        bar.outline.set_linewidth(0.6 * page.scale)
        return page.figure


def draw_witness(data: xr.Dataset, size: Size = PAGE) -> Figure:
    """Draw what two measured bases certify against dephasing and against the detector's resolution, for each r."""
    with sheet(size) as page:
        left, right = page.panels(1, 2, 3.0, sharey=True)
        largest = int(data.levels.max())
        shades = {int(r): colour for r, colour in zip(data.levels.values, colours(data.sizes["levels"]), strict=True)}
        rates = data.dephasing_rate.values
        first = float(rates[rates > 0].min())
        for r in data.levels.values:
            values = data.by_rate.sel(levels=r).values
            left.semilogx(rates[rates > 0], values[rates > 0], "-", color=shades[int(r)])
            left.plot(float(data.last_rate.sel(levels=r)), r - 1, "o", color=shades[int(r)])
            text = f"r = {int(r)}" if r in (data.levels.values[0], data.levels.values[-1]) else str(int(r))
            page.name(left, text, (first, float(values[rates > 0][0])), "left", shades[int(r)])
        for r in data.resolved_levels.values:
            values = data.by_resolution.sel(resolved_levels=r).values
            right.plot(data.share.values, values, "s-", color=shades[int(r)])
            right.plot(float(data.last_share.sel(resolved_levels=r)), r - 1, "o", color=shades[int(r)])
        levels = range(1, largest + 1)
        for axes, ends in ((left, (first, rates.max())), (right, (0.0, float(data.share.max())))):
            axes.hlines(levels, *ends, color="0.85", lw=0.4 * page.scale, zorder=0)  # not through the names
            axes.axhline(1, color="0.4", ls="--", zorder=0)
            axes.set(ylim=(0, largest + 0.8), yticks=range(largest + 1), ylabel="r (C₁ + C₂ − 1)")
        if not page.narrow:
            right.set_ylabel("")
        bits = right.twinx()
        marks = [0, 1, 1.5, 2, 2.5, 3]
        bits.set(ylabel="certified log negativity (bits)", ylim=left.get_ylim(), yticks=[2**mark for mark in marks])
        bits.set_yticklabels([str(mark) for mark in marks])
        bits.spines["right"].set_visible(True)
        rate = data.attrs["dephasing_rate_of_resolutions"]
        left.set(xlabel="dephasing rate γ (coupling)", xlim=(first / 6, None))
        right.set(xlabel="resolution σ/N", xlim=(0, None))
        left.text(0.02, 1.06, "nothing certified below", color="0.3", transform=left.get_yaxis_transform())
        right.plot([], [], "o", color="0.3", label="r certified up to here")
        right.legend(loc="upper right")
        atoms = count_label(int(data.attrs["n_atoms"]))
        page.letters((left, right), (f"N = {atoms}, t = 2π/r", f"the same, γ = {rate:g}"))
        return page.figure
