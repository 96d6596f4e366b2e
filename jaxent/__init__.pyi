# The public names. `__init__.py` reads this file and imports each of them when it is first used.
from . import band as band
from . import chain as chain
from . import dicke as dicke
from . import entanglement as entanglement
from . import spectral as spectral
from . import sweep as sweep
from . import times as times
from .analysis.covering import Coverage, cover_distance
from .analysis.ebit_rate import BestEbitRate, EbitRate, best_ebit_rate, ebit_rate
from .analysis.experiment import Experiment, ReachedTimes, reached_times
from .analysis.extrema import Extrema, find_extrema
from .analysis.magic_times import MagicTimes, half_width, magic_times, robustness_table
from .analysis.optimize import OptimizationError, Optimum, maximize, textbook_offset
from .analysis.sensitivities import Sensitivities, sensitivities
from .band import BandPlan
from .chain import Chain
from .entanglement import (
    coherent_information,
    entanglement_entropy,
    log_negativity,
    log_negativity_dm,
    negativity,
    normalized_entropy,
    purity,
    renyi_entropy,
    schmidt_coefficients,
    state_fidelity,
    state_negativity,
    state_renyi_entropy,
    von_neumann_entropy,
)
from .interop import LabelledState, from_qutip, from_xarray, to_qutip, to_xarray
from .measurement import Measurement
from .noise.atom_numbers import AtomNumbers, FluctuatingLogNegativity, fluctuating_log_negativity
from .noise.dephasing import (
    EnsembleRates,
    dephased_log_probability,
    end_to_end_coherent_information,
    end_to_end_state,
)
from .noise.jitter import Jitter
from .noise.log_negativity import (
    LogNegativityWithErrors,
    end_to_end_log_negativity,
    log_negativity_with_errors,
    macroscopic_log_negativity,
)
from .noise.master_equation import MeasuredState, evolve_density, measure_density
from .noise.modular import modular_coherent_information
from .noise.stochastic import EstimatedLogNegativity, estimate_log_negativity
from .outcomes.averages import (
    OutcomeAverage,
    average_decoded_fidelity,
    average_entropy,
    average_log_negativity,
    outcome_probabilities,
)
from .outcomes.decoding import decode_outcomes, decoded_fidelity, decoded_target
from .outcomes.sampling import sample_outcomes
from .phase_space.directions import tangent_plane
from .phase_space.ends import end_to_end_husimi
from .phase_space.husimi import husimi
from .phase_space.planar import planar_wigner
from .phase_space.wigner import spin_wigner
from .protocol.curve import EntropyCurve, entropy_curve
from .protocol.ends import (
    end_to_end_amplitudes,
    end_to_end_entropy,
    end_to_end_renyi_entropy,
    end_to_end_schmidt_coefficients,
    log_outcome_probability,
    outcome_probability,
    plan_entropy,
    planned_entropy,
)
from .protocol.window_error import (
    EntropyWithErrors,
    chain_for_tolerance,
    entropy_error_bound,
    entropy_error_estimate,
    entropy_with_errors,
)
from .runtime.programs import keep_compiled_programs
from .spins.linear_witnesses import Witness, witnesses
from .spins.modular_witness import ModularWitness, modular_witness
from .spins.moments import CollectiveSpinMoments, collective_spin_moments
from .spins.teleportation import teleportation_fidelity
from .sweep import Span, Sweep, check_sweep, open_sweep, read_sweep, run_sweep
from .times import BondTimes, PiFraction, crevasse_grid, pi_fraction, pi_fractions_up_to, uniform_grid

__version__: str

__all__ = [
    "AtomNumbers",
    "BandPlan",
    "BestEbitRate",
    "BondTimes",
    "Chain",
    "CollectiveSpinMoments",
    "Coverage",
    "EbitRate",
    "EnsembleRates",
    "EntropyCurve",
    "EntropyWithErrors",
    "EstimatedLogNegativity",
    "Experiment",
    "Extrema",
    "FluctuatingLogNegativity",
    "Jitter",
    "LabelledState",
    "LogNegativityWithErrors",
    "MagicTimes",
    "MeasuredState",
    "Measurement",
    "ModularWitness",
    "OptimizationError",
    "Optimum",
    "OutcomeAverage",
    "PiFraction",
    "ReachedTimes",
    "Sensitivities",
    "Span",
    "Sweep",
    "Witness",
    "average_decoded_fidelity",
    "average_entropy",
    "average_log_negativity",
    "band",
    "best_ebit_rate",
    "chain",
    "chain_for_tolerance",
    "check_sweep",
    "coherent_information",
    "collective_spin_moments",
    "cover_distance",
    "crevasse_grid",
    "decode_outcomes",
    "decoded_fidelity",
    "decoded_target",
    "dephased_log_probability",
    "dicke",
    "ebit_rate",
    "end_to_end_amplitudes",
    "end_to_end_coherent_information",
    "end_to_end_entropy",
    "end_to_end_husimi",
    "end_to_end_log_negativity",
    "end_to_end_renyi_entropy",
    "end_to_end_schmidt_coefficients",
    "end_to_end_state",
    "entanglement",
    "entanglement_entropy",
    "entropy_curve",
    "entropy_error_bound",
    "entropy_error_estimate",
    "entropy_with_errors",
    "estimate_log_negativity",
    "evolve_density",
    "find_extrema",
    "fluctuating_log_negativity",
    "from_qutip",
    "from_xarray",
    "half_width",
    "husimi",
    "keep_compiled_programs",
    "log_negativity",
    "log_negativity_dm",
    "log_negativity_with_errors",
    "log_outcome_probability",
    "macroscopic_log_negativity",
    "magic_times",
    "maximize",
    "measure_density",
    "modular_coherent_information",
    "modular_witness",
    "negativity",
    "normalized_entropy",
    "open_sweep",
    "outcome_probabilities",
    "outcome_probability",
    "pi_fraction",
    "pi_fractions_up_to",
    "plan_entropy",
    "planar_wigner",
    "planned_entropy",
    "purity",
    "reached_times",
    "read_sweep",
    "renyi_entropy",
    "robustness_table",
    "run_sweep",
    "sample_outcomes",
    "schmidt_coefficients",
    "sensitivities",
    "spectral",
    "spin_wigner",
    "state_fidelity",
    "state_negativity",
    "state_renyi_entropy",
    "sweep",
    "tangent_plane",
    "teleportation_fidelity",
    "textbook_offset",
    "times",
    "to_qutip",
    "to_xarray",
    "uniform_grid",
    "von_neumann_entropy",
    "witnesses",
]
