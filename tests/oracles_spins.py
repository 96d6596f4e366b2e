"""Collective spins and correlations in cells by brute force, apart from `jaxent.spins`: NumPy and mpmath."""

import math

import mpmath
import numpy as np


def state(n_atoms, time, q, offset=0.0, rates=(0.0, 0.0, 0.0), sigma=0.0):
    """Compute ρ[k1, k3, k1', k3'] and its trace p, from the wave function of all three ensembles.

    Dephasing multiplies every coherence; the middle is measured in the eigenbasis of S_x (from NumPy's `eigh`).
    """
    k = np.arange(n_atoms + 1)
    roots = np.sqrt(np.array([math.comb(n_atoms, int(i)) / 2.0**n_atoms for i in k]))
    ladder = np.sqrt((k[:-1] + 1) * (n_atoms - k[:-1]))
    _, basis = np.linalg.eigh(np.diag(ladder, 1) + np.diag(ladder, -1))
    psi = roots[:, None, None] * roots[None, :, None] * roots[None, None, :]
    first, middle, last = np.meshgrid(k, k, k, indexing="ij")
    psi = psi * np.exp(1j * (first * middle * time - middle * last * time + middle * offset))
    decay = [np.exp(-2 * rate * time * (k[:, None] - k[None, :]) ** 2) for rate in rates]
    if sigma == 0:
        effect = np.outer(basis[:, q], basis[:, q])
    else:
        weights = np.exp(-((q - k) ** 2) / (2 * sigma**2))
        weights /= np.exp(-((q - np.arange(-500, 500 + n_atoms)) ** 2) / (2 * sigma**2)).sum()
        effect = (basis * weights) @ basis.T
    kept = effect * decay[1]
    rho = np.einsum("amc,mn,bnd->acbd", psi, kept, psi.conj(), optimize=True)
    rho = rho * decay[0][:, None, :, None] * decay[2][None, :, None, :]
    trace = np.einsum("abab->", rho).real
    return rho / trace, trace


def spin_matrices(n_atoms):
    k = np.arange(n_atoms)
    up = np.zeros((n_atoms + 1, n_atoms + 1), complex)
    up[k + 1, k] = np.sqrt((k + 1) * (n_atoms - k))
    return up + up.T, -1j * (up - up.T), np.diag(2.0 * np.arange(n_atoms + 1) - n_atoms).astype(complex)


def moments(rho):
    """Compute mean and symmetrized covariance of S_x, S_y, S_z of both ends of ρ[k1, k3, k1', k3']."""
    size = rho.shape[0]
    matrices, one = spin_matrices(size - 1), np.eye(size)
    operators = [np.kron(s, one) for s in matrices] + [np.kron(one, s) for s in matrices]
    matrix = rho.reshape(size**2, size**2)
    mean = np.array([np.trace(matrix @ a).real for a in operators])
    centred = [a - m * np.eye(size**2) for a, m in zip(operators, mean, strict=True)]
    left = [matrix @ a for a in centred]
    second = np.array([[np.sum(x * b.T).real for b in centred] for x in left])
    return mean, (second + second.T) / 2


def variance_of_difference(n_atoms, time, q, offset=0.0, digits=40):
    """Compute Var(S_z1 - S_z3) with mpmath: a sum of exact binomials and powers."""
    with mpmath.workdps(digits):
        deviation = math.sqrt(n_atoms / 2)
        side = min(n_atoms, int(14 * deviation) + 1)
        t, phi, n = mpmath.mpf(time), mpmath.mpf(offset), mpmath.mpf(n_atoms)
        centre = -mpmath.log(mpmath.gamma(n + 1)) * 0
        weights = {0: mpmath.mpf(1) + centre}
        for d in range(1, side + 1):
            weights[d] = weights[d - 1] * (n - d + 1) / (n + d)
        total = first = second = mpmath.mpf(0)
        for d in range(-side, side + 1):
            angle = (d * t + phi) / 2
            share = weights[abs(d)] * mpmath.cos(angle) ** (2 * q) * mpmath.sin(angle) ** (2 * (n_atoms - q))
            total, first, second = total + share, first + d * share, second + d * d * share
        return 4 * (second / total - (first / total) ** 2)


def correlations(rho, levels, first_cell, last_cell):
    """Compute C1 and C2 of positions in cells that begin at `first_cell` and `last_cell`, by projectors."""
    size = rho.shape[0]
    k = np.arange(size)
    ends = []
    for begin in (first_cell, last_cell):
        position, cell = (k - begin) % levels, (k - begin) // levels
        plain = [np.diag((position == s).astype(complex)) for s in range(levels)]
        wave = []
        for tilde in range(levels):
            vectors = []
            for c in np.unique(cell):
                v = np.where(cell == c, np.exp(2j * np.pi * position * tilde / levels) / np.sqrt(levels), 0)
                vectors.append(v)
            v = np.array(vectors)
            wave.append(v.T @ v.conj())
        ends.append((plain, wave))
    (plain_1, wave_1), (plain_3, wave_3) = ends

    def probability(a, b):
        return np.einsum("acbd,ba,dc->", rho, a, b).real

    first = sum(probability(plain_1[s], plain_3[s]) for s in range(levels))
    second = sum(probability(wave_1[s], wave_3[-s % levels]) for s in range(levels))
    return first, second


def positions_state(rho, levels, first_cell, last_cell):
    """Compute the state of both positions, cells traced out: shape (r, r, r, r)."""
    size = rho.shape[0]
    out = np.zeros((levels,) * 4, complex)
    k = np.arange(size)
    p1, c1 = (k - first_cell) % levels, (k - first_cell) // levels
    p3, c3 = (k - last_cell) % levels, (k - last_cell) // levels
    for a in range(size):
        for b in np.nonzero(c1 == c1[a])[0]:
            for c in range(size):
                for d in np.nonzero(c3 == c3[c])[0]:
                    out[p1[a], p3[c], p1[b], p3[d]] += rho[a, c, b, d]
    return out
