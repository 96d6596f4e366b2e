"""List the figures and claims of the paper by number, from the modules of its sections.

Paper: S. Li et al., Macroscopic entanglement distribution with atomic ensembles, arXiv:2603.06085 (2026).
"""

from collections.abc import Callable
from typing import NamedTuple

import xarray as xr
from matplotlib.figure import Figure as MatplotlibFigure

from jaxent.paper import (
    atom_numbers,
    best_offsets,
    claims_five,
    claims_four,
    large_n,
    macroscopic_noise,
    modular_witness,
    pictures,
    resolution,
    section_five,
    section_four,
    single_atoms,
)
from jaxent.paper.claims import Claim, Finding
from jaxent.plot import figures, laboratory_figures, noise_figures
from jaxent.plot.sheet import Size
from jaxent.sweep import Report

__all__ = ["FIGURES", "Figure", "claims", "findings", "seconds"]


class Figure(NamedTuple):
    """Hold the functions of a figure: compute(quick, report) returns its data, and draw(data, size) draws them."""

    compute: Callable[[bool, Report], xr.Dataset]
    draw: Callable[[xr.Dataset, Size], MatplotlibFigure]


FIGURES = {
    "protocol": Figure(section_four.figure_protocol, figures.draw_protocol),
    "1": Figure(section_four.figure_one, figures.draw_figure_one),
    "1-large": Figure(large_n.figure_large, figures.draw_figure_large),
    "zoom": Figure(large_n.figure_zoom, figures.draw_zoom),
    "2": Figure(section_four.figure_two, figures.draw_figure_two),
    "3": Figure(section_five.figure_three, noise_figures.draw_figure_three),
    "4": Figure(section_five.figure_four, noise_figures.draw_figure_four),
    "4-large": Figure(section_five.figure_four_large, noise_figures.draw_figure_four),
    "4-limit": Figure(macroscopic_noise.figure_four_limit, noise_figures.draw_four_limit),
    "3-limit": Figure(macroscopic_noise.figure_three_limit, noise_figures.draw_three_limit),
    "best-time": Figure(macroscopic_noise.figure_best_time, noise_figures.draw_best_time),
    "saturation": Figure(macroscopic_noise.figure_saturation, noise_figures.draw_saturation),
    "single-atom": Figure(single_atoms.figure_single_atom, noise_figures.draw_single_atom),
    "resolution": Figure(resolution.figure_resolution, laboratory_figures.draw_resolution),
    "atom-numbers": Figure(atom_numbers.figure_atom_numbers, laboratory_figures.draw_atom_numbers),
    "witness": Figure(modular_witness.figure_witness, laboratory_figures.draw_witness),
    "offsets": Figure(best_offsets.figure_offsets, figures.draw_offsets),
    "husimi": Figure(pictures.figure_husimi, laboratory_figures.draw_husimi),
}


def seconds(numbers: tuple[str, ...], quick: bool) -> float:
    """Estimate the seconds of work that the figures will report."""
    parts = (
        section_four,
        large_n,
        macroscopic_noise,
        section_five,
        single_atoms,
        resolution,
        atom_numbers,
        modular_witness,
        best_offsets,
        pictures,
    )
    return sum(part.seconds(numbers, quick) for part in parts)


def claims(datasets: dict[str, xr.Dataset]) -> list[Claim]:
    """Check the statements of the paper about the figures in `datasets`, each with its numbers.

    Args:
        datasets: results of `FIGURES`, by figure number.
    """
    return claims_four.claims(datasets) + claims_five.claims(datasets) + single_atoms.claims(datasets)


def findings(datasets: dict[str, xr.Dataset]) -> list[Finding]:
    """Answer our own questions about the figures in `datasets`, each with its numbers.

    Args:
        datasets: results of `FIGURES`, by figure number.
    """
    parts = (
        *(claims_four, large_n, claims_five, macroscopic_noise, single_atoms, resolution),
        *(atom_numbers, modular_witness, best_offsets, pictures),
    )
    return [one for part in parts for one in part.findings(datasets)]
