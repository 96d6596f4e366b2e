"""Brute-force oracles: NumPy, SciPy and mpmath only, written apart from the package they check.

Everything starts from the paper's H = sum_j (-1)^j n_j n_{j+1} (12), the coherent initial state
(10)-(11), the offset exp(i n phi) (19) and the x-basis projections (18), (20). Ensembles are
numbered 1..M, Dicke states k = 0..N, S_z = 2k - N; entropies are in bits. A window truncates the
odd-numbered ensembles, and ensemble M when M is even; even interior ensembles keep every state.
Weights are not renormalised after truncation. Only `method_two_entropy`, `entropy_mp` use (23).
"""

import functools
import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import scipy.linalg
from mpmath import mp, mpf
from numpy.typing import ArrayLike, NDArray

MAX_ELEMENTS = 2**25  # half a GiB of complex numbers: the largest tensor built here


def window_states(n_atoms: int, window: float | None) -> NDArray[np.int64]:
    """The k with N/2 - K <= k <= N/2 + K, K = floor(c sqrt(N) / 2) (30)-(31); None keeps all.

    K is evaluated in double precision as written; at odd N the window has 2K states.
    """
    if window is None:
        return np.arange(n_atoms + 1)
    half = math.floor(window * math.sqrt(n_atoms) / 2)
    k = np.arange(max(0, n_atoms // 2 - half - 1), min(n_atoms, n_atoms // 2 + half + 1) + 1)
    return k[np.abs(2 * k - n_atoms) <= 2 * half]


def log_weight_exact(n_atoms: int, k: int, digits: int = 60) -> mpf:
    """log(C(N,k) / 2^N) to `digits` digits by mpmath's loggamma; milliseconds at N = 10^10."""
    with mp.workdps(digits + 2 * len(str(n_atoms)) + 20):
        logs = [mp.loggamma(mp.mpf(n) + 1) for n in (n_atoms, k, n_atoms - k)]
        return logs[0] - logs[1] - logs[2] - n_atoms * mp.log(2)


def weights(n_atoms: int, k: NDArray[np.int64]) -> NDArray[np.float64]:
    """w_k = C(N,k) / 2^N of (11), for contiguous k.

    N <= 2000: quotients of exact integers. Beyond: an mpmath value at the most probable state,
    and from there outward log w_{k+1} - log w_k = log((N-k) / (k+1)).
    """
    if n_atoms <= 2000:
        return np.array([math.comb(n_atoms, int(i)) / 2**n_atoms for i in k])
    centre = int(np.argmin(np.abs(2 * k - n_atoms)))
    steps = np.log1p((n_atoms - 2 * k[:-1] - 1) / (k[:-1] + 1))
    above = np.cumsum(steps[centre:])
    below = -np.cumsum(steps[:centre][::-1])[::-1]
    log_centre = float(log_weight_exact(n_atoms, int(k[centre])))
    return np.exp(log_centre + np.concatenate([below, [0.0], above]))


@functools.lru_cache(maxsize=16)
def x_basis(n_atoms: int) -> NDArray[np.float64]:
    """Rows q, columns k: <q|^(x)|k> with S_x |q>^(x) = (2q - N) |q>^(x) (8), read-only.

    Eigenvectors of the tridiagonal S_x, off-diagonal b_k = sqrt((k+1)(N-k)). (24) gives
    <q|k=N> = sqrt(C(N,q) / 2^N) > 0; the sign is carried from there to the bulk, where it can be
    seen, by b_{k-1} u_{k-1} = (2q-N) u_k - b_k u_{k+1}, downwards from k = N to N/2 (the direction
    in which u grows). Absolute error about 1e-14 at N = 200, 1e-13 at N = 3000.
    """
    k = np.arange(n_atoms)
    b = np.sqrt((k + 1.0) * (n_atoms - k))
    _, vectors = scipy.linalg.eigh_tridiagonal(np.zeros(n_atoms + 1), b)
    basis = vectors.T
    eigenvalue = 2.0 * np.arange(n_atoms + 1) - n_atoms
    u = np.zeros((n_atoms + 1, n_atoms + 2))
    u[:, n_atoms] = 1.0
    b = np.append(b, 0.0)
    for j in range(n_atoms, n_atoms // 2, -1):
        u[:, j - 1] = (eigenvalue * u[:, j] - b[j] * u[:, j + 1]) / b[j - 1]
        large = np.abs(u[:, j - 1]) > 1e100
        u[large] *= 1e-100
    upper = slice(n_atoms // 2, n_atoms + 1)
    basis = basis * np.sign(np.sum(basis[:, upper] * u[:, upper], axis=1))[:, None]
    basis.flags.writeable = False
    return basis


def x_basis_exact(n_atoms: int, q: int, k: int, digits: int = 60) -> mpf:
    """<q|^(x)|k> of (24) = sqrt(C(N,q) / (C(N,k) 2^N)) c_{N-k}, sum c_j x^j = (1+x)^q (1-x)^(N-q).

    N <= 2000: the alternating sum of (24) in exact integers (milliseconds). Beyond: the recurrence
    (j+1) c_{j+1} = (2q-N) c_j - (N-j+1) c_{j-1} from j = 0 up to min(k, N-k) in block floating
    point on Python integers, stable because c_j is its growing solution, with the symmetry
    <q|N-k> = (-1)^(N-q) <q|k>. Cost: one step per j, about 0.5 s at N = 10^6, k = N/2. The digits
    are relative to the envelope: an element near a zero of the oscillation has fewer.
    """
    j, sign = (n_atoms - k, 1) if 2 * k >= n_atoms else (k, (-1) ** (n_atoms - q))
    exponent = 0
    if n_atoms <= 2000:
        rows = range(max(0, j - q), min(j, n_atoms - q) + 1)
        current = sum((-1) ** m * math.comb(n_atoms - q, m) * math.comb(q, j - m) for m in rows)
    else:
        bits = math.ceil(digits * math.log2(10)) + 2 * n_atoms.bit_length() + 64
        previous, current, exponent = 0, 1 << bits, -bits
        for i in range(j):
            step = (2 * q - n_atoms) * current - (n_atoms - i + 1) * previous
            previous, current = current, step // (i + 1)
            excess = max(previous.bit_length(), current.bit_length()) - bits
            if excess > 64:
                previous, current = previous >> excess, current >> excess
                exponent += excess
    with mp.workdps(digits + 2 * len(str(n_atoms)) + 20):
        log_ratio = log_weight_exact(n_atoms, q, digits) - log_weight_exact(n_atoms, k, digits)
        scale = mp.exp((log_ratio - n_atoms * mp.log(2)) / 2 + exponent * mp.log(2))
        return sign * current * scale


def _states(n_ensembles: int, n_atoms: int, window: float | None) -> list[NDArray[np.int64]]:
    numbers = range(1, n_ensembles + 1)
    return [window_states(n_atoms, window if j % 2 == 1 or j == n_ensembles else None) for j in numbers]


def _bond(j: int, left: NDArray, right: NDArray, time: float) -> NDArray[np.complex128]:
    """exp(-i (-1)^j k_j k_{j+1} t), bond (j, j+1) of (15)."""
    return np.exp(-1j * (-1) ** j * np.outer(left, right) * time)


def _bra(n_atoms: int, outcome: int, phase_offset: float) -> NDArray[np.complex128]:
    """<q|^(x) exp(i n phi) |k> for all k, (18)-(19)."""
    return x_basis(n_atoms)[outcome] * np.exp(1j * phase_offset * np.arange(n_atoms + 1))


def chain_state(n_ensembles: int, n_atoms: int, time: ArrayLike, window: float | None = None) -> NDArray[np.complex128]:
    """psi[k_1, ..., k_M] = prod_j sqrt(w_{k_j}) exp(-i t_j (-1)^j k_j k_{j+1}), from (11) and (15).

    `time` is one time or the M - 1 times of the bonds. The tensor has (N+1)^M elements.
    """
    states = _states(n_ensembles, n_atoms, window)
    if math.prod(len(k) for k in states) > MAX_ELEMENTS:
        raise ValueError("Too large for the full tensor; use `end_to_end_stepwise`.")
    times = np.broadcast_to(np.asarray(time, float), (n_ensembles - 1,))
    psi = np.ones((), complex)
    for k in states:
        psi = np.multiply.outer(psi, np.sqrt(weights(n_atoms, k)))
    for j in range(1, n_ensembles):
        shape = [1] * n_ensembles
        shape[j - 1], shape[j] = len(states[j - 1]), len(states[j])
        psi *= _bond(j, states[j - 1], states[j], times[j - 1]).reshape(shape)
    return psi


def end_to_end(
    n_ensembles: int,
    n_atoms: int,
    time: ArrayLike,
    outcomes: Sequence[int] = (),
    phase_offset: ArrayLike = 0.0,
    window: float | None = None,
) -> NDArray[np.complex128]:
    """A[k_1, k_M] = sum prod_j <q_j|^(x)|k_j> e^{i k_j phi_j} psi[k_1, ..., k_M] (20).

    Unnormalised: the whole tensor is built, then ensembles 2..M-1 are projected in turn.
    `phase_offset` is one offset or M - 2 of them.
    """
    psi = chain_state(n_ensembles, n_atoms, time, window)
    inner = _states(n_ensembles, n_atoms, window)[1:-1]
    offsets = np.broadcast_to(np.asarray(phase_offset, float), (n_ensembles - 2,))
    for k, q, phi in zip(inner, outcomes, offsets, strict=True):
        psi = np.tensordot(psi, _bra(n_atoms, q, phi)[k], axes=(1, 0))
    return psi


def end_to_end_stepwise(
    n_ensembles: int,
    n_atoms: int,
    time: ArrayLike,
    outcomes: Sequence[int] = (),
    phase_offset: ArrayLike = 0.0,
    window: float | None = None,
) -> NDArray[np.complex128]:
    """The same A[k_1, k_M], the sums over k_2, k_3, ... done in turn: O(M N^3), any M.

    A_{j+1}[k_1, k'] = sqrt(w_k') sum_k A_j[k_1, k] <q_j|^(x)|k> e^{i k phi_j - i (-1)^j k k' t_j}.
    No closed form enters: this is `end_to_end` with the distributive law.
    """
    states = _states(n_ensembles, n_atoms, window)
    times = np.broadcast_to(np.asarray(time, float), (n_ensembles - 1,))
    offsets = np.broadcast_to(np.asarray(phase_offset, float), (n_ensembles - 2,))
    if len(outcomes) != n_ensembles - 2:
        raise ValueError("One outcome for every inner ensemble.")
    a = np.diag(np.sqrt(weights(n_atoms, states[0]))).astype(complex)
    for j in range(1, n_ensembles):
        left, right = states[j - 1], states[j]
        if j > 1:
            a = a * _bra(n_atoms, outcomes[j - 2], offsets[j - 2])[left]
        a = a @ _bond(j, left, right, times[j - 1]) * np.sqrt(weights(n_atoms, right))
    return a


def probability(amplitudes: NDArray) -> float:
    """p = sum |A|^2 (25)."""
    return float(np.sum(np.abs(amplitudes) ** 2))


def schmidt(amplitudes: NDArray) -> NDArray[np.float64]:
    """Normalised Schmidt coefficients sigma_l, sum sigma_l^2 = 1, descending."""
    sigma = np.linalg.svd(amplitudes, compute_uv=False)
    return sigma / np.linalg.norm(sigma)


def _shannon_bits(p: NDArray) -> float:
    p = p[p > 0]
    return float(-np.sum(p * np.log2(p)))


def entropy_bits(amplitudes: NDArray) -> float:
    """E = -sum sigma^2 log2 sigma^2 (26)."""
    return _shannon_bits(schmidt(amplitudes) ** 2)


def entropy_bits_rho(rho: NDArray) -> float:
    """-Tr rho log2 rho for rho / Tr rho, from its eigenvalues (those below zero dropped)."""
    eigenvalues = np.linalg.eigvalsh(rho)
    return _shannon_bits(eigenvalues / np.sum(eigenvalues))


def renyi_bits(amplitudes: NDArray, alpha: float) -> float:
    """log2(sum sigma^(2 alpha)) / (1 - alpha), alpha > 0; alpha = 1: entropy, inf: -log2 max."""
    p = schmidt(amplitudes) ** 2
    if alpha == 1:
        return _shannon_bits(p)
    if math.isinf(alpha):
        return float(-np.log2(np.max(p)))
    return float(np.log2(np.sum(p**alpha)) / (1 - alpha))


def log_negativity_bits(amplitudes: NDArray) -> float:
    """log2 ||rho^T1||_1, rho = |psi><psi| / p written out as a D^2 x D^2 matrix (small D)."""
    rows, columns = amplitudes.shape
    psi = amplitudes / np.linalg.norm(amplitudes)
    transposed = np.einsum("ab,cd->cbad", psi, psi.conj()).reshape(rows * columns, -1)
    return float(np.log2(np.sum(np.abs(np.linalg.eigvalsh(transposed)))))


def all_outcomes(n_ensembles: int, n_atoms: int) -> Iterator[tuple[int, ...]]:
    """Every (q_2, ..., q_{M-1}), each 0..N; one empty tuple for M = 2."""
    return itertools.product(range(n_atoms + 1), repeat=n_ensembles - 2)


def all_amplitudes(
    n_ensembles: int, n_atoms: int, time: ArrayLike, phase_offset: ArrayLike = 0.0
) -> NDArray[np.complex128]:
    """A[q_2, ..., q_{M-1}, k_1, k_M]: (20) for all outcomes at once, from the full tensor."""
    psi = chain_state(n_ensembles, n_atoms, time)
    offsets = np.broadcast_to(np.asarray(phase_offset, float), (n_ensembles - 2,))
    for axis, phi in enumerate(offsets, start=1):
        bras = np.stack([_bra(n_atoms, q, phi) for q in range(n_atoms + 1)])
        psi = np.moveaxis(np.tensordot(psi, bras, axes=(axis, 1)), -1, axis)
    return np.moveaxis(psi, 0, -2)


def outcome_distribution(
    n_ensembles: int, n_atoms: int, time: ArrayLike, phase_offset: ArrayLike = 0.0
) -> NDArray[np.float64]:
    """p[q_2, ..., q_{M-1}] = sum_{k_1, k_M} |A|^2 (25), shape (N+1,) * (M-2); it sums to one."""
    a = all_amplitudes(n_ensembles, n_atoms, time, phase_offset)
    return np.sum(np.abs(a) ** 2, axis=(-2, -1))


def average_entropy(n_ensembles: int, n_atoms: int, time: ArrayLike, phase_offset: ArrayLike = 0.0) -> float:
    """sum_q p_q E_q over all outcomes; those with p_q < 1e-28 are rounding and left out."""
    a = all_amplitudes(n_ensembles, n_atoms, time, phase_offset)
    pairs = [(probability(m), m) for m in a.reshape(-1, *a.shape[-2:])]
    return math.fsum(p * entropy_bits(m) for p, m in pairs if p > 1e-28)


def method_two_entropy(n_atoms: int, window: float | None, time: float) -> float:
    """M = 3, q = N, phi = 0 as the paper's Method II would be written today, dense and complex.

    A[k,k'] = sqrt(w_k w_k') e^{i N (k-k') t / 2} cos^N((k-k') t / 2) by (23) on the window,
    rho = A A^dagger / tr, E = -sum l log2 l of its eigenvalues. O(D^3), about half a minute at
    N = 10^6, c = 3 on one core.
    """
    k = window_states(n_atoms, window)
    amplitude = np.sqrt(weights(n_atoms, k)) * np.exp(0.5j * n_atoms * time * (k - n_atoms // 2))
    half_angle = np.subtract.outer(k, k) * (time / 2)
    cosine, sine_squared = np.cos(half_angle), np.sin(half_angle) ** 2
    near = np.exp(0.5 * n_atoms * np.log1p(-np.minimum(sine_squared, 0.5)))
    power = np.where(sine_squared < 0.5, near, np.abs(cosine) ** n_atoms)
    a = amplitude[:, None] * np.sign(cosine) ** n_atoms * power * amplitude.conj()
    rho = a @ a.conj().T
    return entropy_bits_rho(rho / np.trace(rho).real)


def entropy_mp(n_atoms: int, time: float | mpf, q: int, phase_offset: float | mpf = 0, digits: int = 40) -> mpf:
    """M = 3 entropy in bits, all states kept, at `digits` digits (N <= 12: mpmath is slow).

    A[k,k'] = sqrt(w_k w_k') sqrt(C(N,q)) i^(N-q) e^{iN alpha/2} cos^q(alpha/2) sin^(N-q)(alpha/2),
    alpha = (k-k') t + phi (23); E from the eigenvalues of A A^dagger / tr. Pass times as mpf for
    more than double precision.
    """
    n = n_atoms
    with mp.workdps(digits + 20):
        t, phi = mp.mpf(time), mp.mpf(phase_offset)
        a = mp.matrix(n + 1, n + 1)
        for k, l in itertools.product(range(n + 1), repeat=2):  # noqa: E741
            x = ((k - l) * t + phi) / 2
            weight = mp.sqrt(mp.mpf(math.comb(n, k) * math.comb(n, l) * math.comb(n, q)) / 4**n)
            a[k, l] = weight * mp.mpc(0, 1) ** (n - q) * mp.expj(n * x)
            a[k, l] *= mp.cos(x) ** q * mp.sin(x) ** (n - q)
        eigenvalues = mp.eighe(a * a.H, eigvals_only=True)
        total = mp.fsum(eigenvalues)
        entropy = -mp.fsum(v / total * mp.log(v / total, 2) for v in eigenvalues if v > 0)
    with mp.workdps(digits):
        return +entropy


def decode(n_atoms: int, outcome: int, levels: int, even: bool) -> int:
    """The m in 0..L-1 whose peak N cos^2(pi (m + 1/4)/L) (even ensemble; odd: m - 1/4) is nearest.

    For offset phi = pi/(2L) at t = 2 pi/L; nearest in q, the smaller m on a tie.
    """
    shift = 0.25 if even else -0.25
    peaks = n_atoms * np.cos(np.pi * (np.arange(levels) + shift) / levels) ** 2
    return int(np.argmin(np.abs(outcome - peaks)))


def decoded_target(n_ensembles: int, n_atoms: int, outcomes: Sequence[int], levels: int) -> NDArray[np.complex128]:
    """L^{-1/2} sum_m e^{2 pi i m n/L} |C_m> (x) (|C_{m-s}> odd M | |coherent 2 pi (m-s)/L> even M).

    t = 2 pi/L, phi = pi/(2L); s, n: sums mod L of the decoded outcomes of the even, odd measured
    ensembles; |C_m>: normalised part of (11) on k = m mod L. The target is normalised as a whole.
    """
    k = np.arange(n_atoms + 1)
    amplitude = np.sqrt(weights(n_atoms, k))
    decoded = {j: decode(n_atoms, q, levels, j % 2 == 0) for j, q in enumerate(outcomes, start=2)}
    s = sum(m for j, m in decoded.items() if j % 2 == 0)
    n = sum(m for j, m in decoded.items() if j % 2 == 1)
    parts = np.where(k % levels == np.arange(levels)[:, None], amplitude, 0.0)
    parts = parts / np.linalg.norm(parts, axis=1, keepdims=True)
    target = np.zeros((n_atoms + 1, n_atoms + 1), complex)
    for m in range(levels):
        angle = 2 * np.pi * (m - s) / levels
        end = parts[(m - s) % levels] if n_ensembles % 2 else amplitude * np.exp(1j * angle * k)
        target += np.exp(2j * np.pi * m * n / levels) * np.outer(parts[m], end)
    return target / np.linalg.norm(target)


def decoded_fidelity(n_ensembles: int, n_atoms: int, outcomes: Sequence[int], levels: int) -> tuple[float, float]:
    """(p, F) of one outcome: F = |<target|A>|^2 / p with A at t = 2 pi/L, phi = pi/(2L)."""
    time, offset = 2 * np.pi / levels, np.pi / (2 * levels)
    a = end_to_end_stepwise(n_ensembles, n_atoms, time, outcomes, offset)
    target = decoded_target(n_ensembles, n_atoms, outcomes, levels)
    p = probability(a)
    return p, float(abs(np.vdot(target, a)) ** 2 / p)


def average_fidelity(n_ensembles: int, n_atoms: int, levels: int) -> float:
    """sum_q p_q F_q of `decoded_fidelity` over all outcomes."""
    outcomes = all_outcomes(n_ensembles, n_atoms)
    pairs = (decoded_fidelity(n_ensembles, n_atoms, q, levels) for q in outcomes)
    return math.fsum(p * f for p, f in pairs)


def dephased_state(
    n_ensembles: int,
    n_atoms: int,
    time: float,
    rates: ArrayLike,
    outcomes: Sequence[int] = (),
    phase_offset: ArrayLike = 0.0,
    collective_rate: float = 0.0,
) -> NDArray[np.complex128]:
    """rho[k_1, k_M, k_1', k_M'], unnormalised, after dephasing and the projections: the whole rho is built.

    (29) multiplies each element of rho by exp(-2 t sum_j g_j (k_j - k_j')^2), and one noise shared by all ensembles
    by exp(-2 t G (sum_j (k_j - k_j'))^2), since H and every S_z = 2k - N commute.
    """
    psi = chain_state(n_ensembles, n_atoms, time).ravel()
    k = np.indices((n_atoms + 1,) * n_ensembles).reshape(n_ensembles, -1).T
    d = k[:, None, :] - k[None, :, :]
    exponent = np.sum(np.broadcast_to(rates, (n_ensembles,)) * d**2, axis=-1) + collective_rate * d.sum(axis=-1) ** 2
    rho = np.outer(psi, psi.conj()) * np.exp(-2 * time * exponent)
    rho = rho.reshape((n_atoms + 1,) * (2 * n_ensembles))
    return project_inner(n_ensembles, n_atoms, rho, outcomes, phase_offset)


def project_inner(
    n_ensembles: int, n_atoms: int, rho: NDArray, outcomes: Sequence[int], phase_offset: ArrayLike = 0.0
) -> NDArray[np.complex128]:
    """The inner ensembles of rho[k_1..k_M, k_1'..k_M'] projected on <q|^(x) exp(i n phi), unnormalised."""
    offsets = np.broadcast_to(np.asarray(phase_offset, float), (n_ensembles - 2,))
    for left, (q, phi) in enumerate(zip(outcomes, offsets, strict=True)):
        bra = _bra(n_atoms, q, phi)
        rho = np.tensordot(rho, bra, axes=(1, 0))
        rho = np.tensordot(rho, bra.conj(), axes=(n_ensembles - left, 0))
    return rho


def dephased_pairs(
    n_atoms: int, time: float, rates: ArrayLike, outcome: int, phase_offset: float = 0.0
) -> NDArray[np.float64]:
    """Partial transpose of two dephased ends of three ensembles, ((k_1, k_3), (k_1', k_3')), trace one.

    The middle ensemble is summed over pairs of its states, g(a, a') = sum_mm' c_m c_m' e^(i(m a - m' a')) e^(-2 g t
    (m-m')^2) with c_m = <q|m> sqrt(w_m), a = (k_1 - k_3) t + phi.
    """
    first, middle, last = np.broadcast_to(rates, (3,))
    k = np.arange(n_atoms + 1)
    w = weights(n_atoms, k)
    waves = (x_basis(n_atoms)[outcome] * np.sqrt(w))[:, None] * np.exp(
        1j * np.outer(k - n_atoms / 2, np.arange(-n_atoms, n_atoms + 1) * time + phase_offset)
    )
    square = (k[:, None] - k[None, :]) ** 2
    table = (waves.T @ np.exp(-2 * middle * time * square) @ waves.conj()).real
    d = k[:, None] - k[None, :] + n_atoms
    left, right = (np.sqrt(np.outer(w, w)) * np.exp(-2 * rate * time * square) for rate in (first, last))
    # rho^T1 [(a, b), (c, d)] = rho[(c, b), (a, d)]
    whole = table[d.T[None, :, :, None], d[:, None, None, :]] * left[:, None, :, None] * right[None, :, None, :]
    size = (n_atoms + 1) ** 2
    whole = whole.reshape(size, size)
    return whole / np.trace(whole)


def state_log_negativity_bits(rho: NDArray) -> float:
    """log2 ||rho^T1||_1 of rho[k_1, k_2, k_1', k_2'] / tr, from the eigenvalues of the whole transpose."""
    size = rho.shape[0] * rho.shape[1]
    whole = rho.reshape(size, size)
    transposed = rho.transpose(2, 1, 0, 3).reshape(size, size) / np.trace(whole).real
    return float(np.log2(np.sum(np.abs(np.linalg.eigvalsh(transposed)))))


def lindblad_state(
    n_ensembles: int,
    n_atoms: int,
    time: float,
    rates: ArrayLike,
    *,
    collective_rate: float = 0.0,
    drive: ArrayLike = 0.0,
    jumps: dict[str, ArrayLike] | None = None,
) -> NDArray[np.complex128]:
    """rho[k_1..k_M, k_1'..k_M'] of (12) and (29) by QuTiP's mesolve; `jumps`: rates of "-", "x", "y" per ensemble.

    QuTiP's spin-N/2 operators are half of the paper's and ordered from m = N/2 down; here k goes up.
    """
    import qutip

    n = n_atoms
    raising = np.diag(np.sqrt(np.arange(1, n + 1) * np.arange(n, 0, -1.0)), -1)
    single = {"z": np.diag(2.0 * np.arange(n + 1) - n), "n": np.diag(np.arange(n + 1.0)), "-": raising.T}
    single |= {"x": raising + raising.T, "y": -1j * raising + 1j * raising.T}

    def operator(name: str, j: int):  # on ensemble j of 0..M-1
        factors = [qutip.qeye(n + 1)] * n_ensembles
        factors[j] = qutip.Qobj(single[name])
        return qutip.tensor(factors)

    each = range(n_ensembles)
    hamiltonian = sum((-1) ** (j + 1) * operator("n", j) * operator("n", j + 1) for j in range(n_ensembles - 1))
    hamiltonian += sum(w * operator("x", j) for j, w in zip(each, np.broadcast_to(drive, n_ensembles), strict=True))
    collapse = [np.sqrt(collective_rate) * sum(operator("z", j) for j in each)] if collective_rate else []
    for name, values in {"z": rates, **(jumps or {})}.items():
        pairs = zip(each, np.broadcast_to(values, n_ensembles), strict=True)
        collapse += [np.sqrt(g) * operator(name, j) for j, g in pairs if g]
    start = qutip.Qobj(np.sqrt(weights(n, np.arange(n + 1)))[:, None])
    psi = qutip.tensor([start] * n_ensembles)
    options = {"method": "dop853", "atol": 1e-13, "rtol": 1e-12, "nsteps": 10**6}
    final = qutip.mesolve(hamiltonian, qutip.ket2dm(psi), [0.0, time], collapse, options=options).states[-1]
    return final.full().reshape((n + 1,) * (2 * n_ensembles))
