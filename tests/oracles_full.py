"""The full state of all ensembles of a chain, by plain NumPy, for ensembles of different numbers of atoms."""

import math

import numpy as np


def row_of(n_atoms, outcome):
    """⟨q|k⟩ over k, from the coefficients of (z+1)^q (z-1)^(N-q)."""
    found = np.array([1.0])
    for sign in [1.0] * outcome + [-1.0] * (n_atoms - outcome):
        found = np.convolve(found, [sign, 1.0])
    ways = np.array([math.comb(n_atoms, k) for k in range(n_atoms + 1)])
    return found * np.sqrt(math.comb(n_atoms, outcome) / ways / 2.0**n_atoms)


def along(array, axis, rank):
    return array.reshape([-1 if k == axis else 1 for k in range(rank)])


def full_state(numbers, time):
    """The tensor of all ensembles after the interaction; `time` is one for each bond, or one for all."""
    times = np.broadcast_to(time, len(numbers) - 1)
    rank = len(numbers)
    state = np.ones([n + 1 for n in numbers], complex)
    for axis, n in enumerate(numbers):
        state = state * along(np.sqrt([math.comb(n, k) / 2.0**n for k in range(n + 1)]), axis, rank)
    for bond in range(rank - 1):
        left, right = (along(np.arange(numbers[axis] + 1), axis, rank) for axis in (bond, bond + 1))
        state = state * np.exp(1j * (-1) ** bond * left * right * times[bond])
    return state


def projected(numbers, state, outcomes, offsets):
    for axis in range(len(numbers) - 2, 0, -1):
        row = row_of(numbers[axis], outcomes[axis - 1]) * np.exp(1j * np.arange(numbers[axis] + 1) * offsets[axis - 1])
        state = np.tensordot(state, row, axes=([axis], [0]))
    return state
