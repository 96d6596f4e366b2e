"""Independent reference values for measured ensembles: resolution, losses, single-atom noise.

Everything here is plain NumPy, SciPy and QuTiP; nothing is imported from the package under test.
Run the module to write ``data/measurement_records.json`` again:

    OPENBLAS_NUM_THREADS=1 python tests/oracles_measurement.py

The physics, common to the three oracles
----------------------------------------
``M`` ensembles of ``N`` two-level atoms, modes a and b, every atom at first in
(|a> + |b>)/sqrt 2.  With n_j the number of atoms of ensemble j in a, for a time t

    drho/dt = -i [H, rho] + collective dephasing + single-atom noise,
    H = sum_j (-1)^j n_j n_{j+1}        (M = 3: -n_1 n_2 + n_2 n_3,
                                         M = 4: -n_1 n_2 + n_2 n_3 - n_3 n_4).

Collective dephasing of every ensemble, S_z = n_a - n_b:

    -(gamma_j / 2) [S_z^2 rho - 2 S_z rho S_z + rho S_z^2],

which on Dicke elements is |n><n'| -> exp(-2 gamma_j t (n - n')^2) |n><n'|.  Every atom of a measured
ensemble also has the jump operators sqrt(gamma1) sigma_z, sqrt(Gamma) |lost><a| and
sqrt(Gamma) |lost><b|.  Then V = exp(i phi n_a) acts on the measured ensemble, whose atoms are
counted in |+-> = (|a> +- |b>)/sqrt 2: q in +, n in -, N - q - n lost.

A detector of resolution sigma gives a real record x for a true count q', with the weights

    w(x, q') = exp(-(x - q')^2 / (2 sigma^2)) / sum_{m in Z} exp(-(x - m)^2 / (2 sigma^2)),

and the unnormalized state rho~_x = sum_{q'} w(x, q') rho~_{q'}.

States of the two ends are arrays ``rho[k1, kM, k1', kM']``, k = n_a of a symmetric Dicke state, and
those with a tilde have the trace p(record).
"""

import itertools
import json
import math
import pathlib
import time

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg

DATA = pathlib.Path(__file__).parent / "data" / "measurement_records.json"
LEAST_PROBABILITY = 1e-12


# ----------------------------------------------------------------------------- figures of merit


def probability(state):
    """p = Tr rho~ = sum_{k1, k3} rho~[k1, k3, k1, k3]."""
    return float(np.einsum("abab->", state).real)


def log_negativity(state):
    """log2 ||rho^{T_1}||_1 of the normalized state (T_1: k1 and k1' swapped)."""
    size = state.shape[0] * state.shape[1]
    transposed = state.transpose(2, 1, 0, 3).reshape(size, size)
    values = np.linalg.eigvalsh((transposed + transposed.conj().T) / 2)
    return float(np.log2(np.abs(values).sum() / np.einsum("abab->", state).real))


def _entropy(matrix):
    values = np.linalg.eigvalsh((matrix + matrix.conj().T) / 2)
    values = values[values > 0]
    return float(-(values * np.log2(values)).sum())


def coherent_information(state):
    """S(rho_last) - S(rho) in bits of the normalized state; rho_last = Tr_1 rho."""
    normalized = state / np.einsum("abab->", state).real
    size = state.shape[0] * state.shape[1]
    last = np.einsum("abad->bd", normalized)
    return _entropy(last) - _entropy(normalized.reshape(size, size))


def figures(state):
    """[p, log negativity, coherent information]; the last two None unless p > 1e-12."""
    p = probability(state)
    if p <= LEAST_PROBABILITY:
        return [p, None, None]
    return [p, log_negativity(state), coherent_information(state)]


def resolution_weights(x, sigma, highest):
    """w(x, q') for q' = 0..highest, normalized over all integers; sigma = 0 picks q' = x."""
    if sigma == 0:
        return np.array([1.0 if q == x else 0.0 for q in range(highest + 1)])
    reach = math.ceil(12 * sigma) + 2
    integers = np.arange(math.floor(x) - reach, math.floor(x) + reach + 2)
    total = math.fsum(np.exp(-((x - integers) ** 2) / (2 * sigma**2)))
    return np.exp(-((x - np.arange(highest + 1)) ** 2) / (2 * sigma**2)) / total


def coherent_amplitudes(N):
    """sqrt(C(N, k) / 2^N), the Dicke amplitudes of ((|a> + |b>)/sqrt 2)^N."""
    return np.array([math.sqrt(math.comb(N, k) / 2**N) for k in range(N + 1)])


# ---------------------------------------------- oracle 1: three-level atoms, blocks of the ends


def _on_atom(operator, atom, N):
    """operator on one of N three-level atoms (levels a, b, lost), identity on the others."""
    return scipy.sparse.kron(
        scipy.sparse.kron(scipy.sparse.identity(3**atom), operator),
        scipy.sparse.identity(3 ** (N - atom - 1)),
        format="csr",
    )


def three_level_superoperators(N, gamma2, gamma1, Gamma):
    """(noise, left, right): the parts of the middle ensemble's Liouvillian, 9^N x 9^N.

    vec is row by row, so that A rho B -> kron(A, B^T) vec(rho).  noise has all dissipators of the
    middle ensemble, left is rho -> n_a rho and right is rho -> rho n_a.  In the block of the ends
    |k1, k3><k1', k3'| the number operators n_1, n_3 are the numbers k and

        d rho_block / dt = noise(rho) - i (k3 - k1) n_a rho + i (k3' - k1') rho n_a.
    """
    size = 3**N
    one = scipy.sparse.identity(size, format="csr")
    n_a = sum(_on_atom(np.diag([1.0, 0, 0]), atom, N) for atom in range(N))
    s_z = sum(_on_atom(np.diag([1.0, -1.0, 0]), atom, N) for atom in range(N))
    jumps = [math.sqrt(gamma2) * s_z]
    for atom in range(N):
        jumps.append(math.sqrt(gamma1) * _on_atom(np.diag([1.0, -1.0, 0]), atom, N))
        for level in (0, 1):
            lowering = np.zeros((3, 3))
            lowering[2, level] = 1
            jumps.append(math.sqrt(Gamma) * _on_atom(lowering, atom, N))
    noise = scipy.sparse.csr_matrix((size**2, size**2))
    for jump in jumps:  # L rho L^T - (L^T L rho + rho L^T L)/2, all L real
        square = jump.T @ jump
        noise = noise + scipy.sparse.kron(jump, jump)
        noise = noise - (scipy.sparse.kron(square, one) + scipy.sparse.kron(one, square.T)) / 2
    left = scipy.sparse.kron(n_a, one)
    right = scipy.sparse.kron(one, n_a.T)
    return noise.tocsr(), left.tocsr(), right.tocsr()


def three_level_count_projectors(N, phi):
    """{(q, lost): V^dagger P_{q, lost} V}, P the sum of the product projectors on +, - and lost."""
    plus = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0]]) / 2
    minus = np.array([[1, -1, 0], [-1, 1, 0], [0, 0, 0]]) / 2
    gone = np.diag([0.0, 0, 1])
    offset = np.diag([np.exp(1j * phi), 1, 1])
    single = [offset.conj().T @ part @ offset for part in (plus, minus, gone)]
    found = {}
    for pattern in itertools.product(range(3), repeat=N):
        product = np.eye(1)
        for outcome in pattern:
            product = np.kron(product, single[outcome])
        key = (pattern.count(0), pattern.count(2))
        found[key] = found.get(key, 0) + product
    return found


def evolve_middle_blocks(N, t, gamma2, gamma1, Gamma, dense=False):
    """{(d, d'): 3^N x 3^N block} at time t, d = k3 - k1 and d' = k3' - k1' from -N to N.

    exp(t L) acts on vec(|x><x|): scipy's action of the sparse exponential, or with dense=True the
    full matrix exponential of L (9^N x 9^N, scaling and squaring).
    """
    noise, left, right = three_level_superoperators(N, gamma2, gamma1, Gamma)
    ket = np.ones(1)
    for _ in range(N):
        ket = np.kron(ket, np.array([1, 1, 0]) / math.sqrt(2))
    start = np.outer(ket, ket).reshape(-1).astype(complex)
    blocks = {}
    for d, e in itertools.product(range(-N, N + 1), repeat=2):
        liouvillian = (noise - 1j * d * left + 1j * e * right) * t
        if dense:
            vector = scipy.linalg.expm(liouvillian.toarray()) @ start
        else:
            vector = scipy.sparse.linalg.expm_multiply(liouvillian.tocsr(), start)
        blocks[d, e] = vector.reshape(3**N, 3**N)
    return blocks


def three_level_records(N, t, gamma, gamma1, Gamma, phi, blocks=None, dense=False):
    """{(q, lost): rho~[k1, k3, k1', k3']} for M = 3 from N distinguishable three-level atoms.

        rho~ = psi psi psi psi exp(-2 t [gamma_1 (k1 - k1')^2 + gamma_3 (k3 - k3')^2])
               Tr[P V rho_block(k3 - k1, k3' - k1') V^dagger].

    gamma = (gamma_1, gamma_2, gamma_3).  blocks, if given, is what evolve_middle_blocks returned.
    """
    if blocks is None:
        blocks = evolve_middle_blocks(N, t, gamma[1], gamma1, Gamma, dense)
    psi = coherent_amplitudes(N)
    records = {}
    for record, projector in three_level_count_projectors(N, phi).items():
        traces = {key: np.sum(projector.T * block) for key, block in blocks.items()}
        state = np.zeros((N + 1,) * 4, complex)
        for k1, k3, l1, l3 in itertools.product(range(N + 1), repeat=4):
            decay = math.exp(-2 * t * (gamma[0] * (k1 - l1) ** 2 + gamma[2] * (k3 - l3) ** 2))
            state[k1, k3, l1, l3] = psi[k1] * psi[k3] * psi[l1] * psi[l3] * decay * traces[k3 - k1, l3 - l1]
        records[record] = state
    return records


def not_counting_lost(records):
    """{q: sum over lost of rho~_{q, lost}}."""
    found = {}
    for (q, _), state in records.items():
        found[q] = found.get(q, 0) + state
    return found


def resolve(states, x, sigma):
    """rho~_x = sum_{q'} w(x, q') rho~_{q'}, states = {q': rho~_{q'}} with q' = 0, 1, ..."""
    weights = resolution_weights(x, sigma, max(states))
    return sum(weights[q] * states[q] for q in states)


def three_level_records_qutip(N, t, gamma, gamma1, Gamma, phi, solver="mesolve"):
    """The same as three_level_records, with QuTiP on the full space ends x N three-level atoms.

    No block structure is used: H, the jump operators and the partial traces act on the space of
    (N + 1)^2 3^N dimensions.  solver="mesolve" integrates the master equation (Verner's ninth
    order method), solver="expm" applies the sparse exponential of QuTiP's Liouvillian.
    """
    import qutip

    dims = [N + 1, *[3] * N, N + 1]

    def place(operator, site):
        parts = [qutip.qeye(d) for d in dims]
        parts[site] = operator
        return qutip.tensor(parts)

    ladder = qutip.num(N + 1)
    a, b, gone = (qutip.basis(3, level) for level in range(3))
    sigma_z = a * a.dag() - b * b.dag()
    n_1, n_3 = place(ladder, 0), place(ladder, N + 1)
    n_2 = sum(place(a * a.dag(), j) for j in range(1, N + 1))
    hamiltonian = -n_1 * n_2 + n_2 * n_3
    s_2 = sum(place(sigma_z, j) for j in range(1, N + 1))
    jumps = [
        math.sqrt(gamma[0]) * (2 * n_1 - N),
        math.sqrt(gamma[1]) * s_2,
        math.sqrt(gamma[2]) * (2 * n_3 - N),
    ]
    for j in range(1, N + 1):
        jumps.append(math.sqrt(gamma1) * place(sigma_z, j))
        jumps.append(math.sqrt(Gamma) * place(gone * a.dag(), j))
        jumps.append(math.sqrt(Gamma) * place(gone * b.dag(), j))
    end = qutip.Qobj(coherent_amplitudes(N))
    start = qutip.ket2dm(qutip.tensor([end, *[(a + b).unit()] * N, end]))
    if solver == "mesolve":
        options = {"method": "vern9", "atol": 1e-14, "rtol": 1e-13, "nsteps": 10**6}
        final = qutip.mesolve(hamiltonian, start, [0, t], c_ops=jumps, options=options).states[-1]
    else:
        liouvillian = qutip.liouvillian(hamiltonian, jumps)
        vector = scipy.sparse.linalg.expm_multiply(
            t * liouvillian.to("CSR").data.as_scipy().tocsc(),
            qutip.operator_to_vector(start).full()[:, 0],
        )
        final = qutip.vector_to_operator(qutip.Qobj(vector.reshape(-1, 1), dims=[[start.dims[0], start.dims[1]], [1]]))
    offset = qutip.tensor(
        [
            qutip.qeye(N + 1),
            *[np.exp(1j * phi) * a * a.dag() + b * b.dag() + gone * gone.dag()] * N,
            qutip.qeye(N + 1),
        ]
    )
    final = offset * final * offset.dag()
    outcomes = [(a + b).unit(), (a - b).unit(), gone]
    records = {}
    for pattern in itertools.product(range(3), repeat=N):
        bra = qutip.tensor(
            [
                qutip.qeye(N + 1),
                *[outcomes[outcome].dag() for outcome in pattern],
                qutip.qeye(N + 1),
            ]
        )
        state = (bra * final * bra.dag()).full().reshape((N + 1,) * 4)
        key = (pattern.count(0), pattern.count(2))
        records[key] = records.get(key, 0) + state
    return records


# ------------------------------------------------------- oracle 2: Dicke sums, a dense sum over q


def x_basis_overlaps(N):
    """<q|_x |n>_z between symmetric states, exact integer sums up to the last square root.

    <q|n> = 2^{-N/2} sqrt(n! (N - n)! / (q! (N - q)!))
            sum_j C(q, j) C(N - q, n - j) (-1)^{N - q - n + j}.
    """
    table = np.zeros((N + 1, N + 1))
    for q, n in itertools.product(range(N + 1), repeat=2):
        whole = sum(
            math.comb(q, j) * math.comb(N - q, n - j) * (-1) ** (N - q - n + j)
            for j in range(max(0, n - N + q), min(q, n) + 1)
        )
        top = whole**2 * math.factorial(n) * math.factorial(N - n)
        bottom = math.factorial(q) * math.factorial(N - q) * 2**N
        table[q, n] = math.copysign(math.sqrt(top / bottom), whole)
    return table


def window(N, c):
    """The k with |k - N/2| <= floor(c sqrt(N) / 2); c = None keeps all."""
    if c is None:
        return np.arange(N + 1)
    reach = math.floor(c * math.sqrt(N) / 2)
    return np.array([k for k in range(N + 1) if abs(k - N / 2) <= reach])


def dense_resolution(N, t, gamma, phi, x, sigma, c=None):
    """rho~_x[k1, k3, k1', k3'] = sum_{q'} w(x, q') rho~_{q'} for M = 3, no single-atom noise.

        rho~_q = psi psi psi psi exp(-2 t [gamma_1 (k1 - k1')^2 + gamma_3 (k3 - k3')^2])
                 sum_{n, n'} B_q(n) B_q(n') exp(-2 gamma_2 t (n - n')^2)
                             exp(i n (phi - t (k3 - k1)) - i n' (phi - t (k3' - k1'))),
        B_q(n) = <q|_x |n> sqrt(C(N, n) / 2^N).

    The sum over q' is taken on the kernel w(x, q') B_{q'}(n) B_{q'}(n').  sigma = 0 is the one
    count q' = x.  c cuts k1 and k3 to the window |k - N/2| <= floor(c sqrt(N)/2).
    """
    n = np.arange(N + 1)
    psi = coherent_amplitudes(N)
    amplitudes = x_basis_overlaps(N) * psi
    weights = resolution_weights(x, sigma, N)
    kernel = (amplitudes.T * weights) @ amplitudes
    kernel = kernel * np.exp(-2 * gamma[1] * t * (n[:, None] - n) ** 2)
    d = np.arange(-N, N + 1)
    phases = np.exp(1j * np.outer(phi - t * d, n))
    middle = phases @ kernel @ phases.conj().T  # [k3 - k1 + N, k3' - k1' + N]
    k = window(N, c)
    difference = (k[None, :] - k[:, None]) + N  # [k1, k3]
    state = middle[difference[:, :, None, None], difference[None, None, :, :]]
    square = (k[:, None] - k) ** 2
    first = np.outer(psi[k], psi[k]) * np.exp(-2 * gamma[0] * t * square)
    last = np.outer(psi[k], psi[k]) * np.exp(-2 * gamma[2] * t * square)
    return state * first[:, None, :, None] * last[None, :, None, :]


# ------------------------------------------------------------- oracle 3: M = 4, two-level atoms


def four_ensembles_records(N, t, gamma, gamma1, phi):
    """{(q2, q3): rho~[k1, k4, k1', k4']} for M = 4, ensembles 2 and 3 counted in the x basis.

    Ensembles 2 and 3 are N distinguishable two-level atoms each.  All of H and of the jump operators
    are diagonal in z, so the full density matrix evolves element by element,

        rho_{st}(t) = rho_{st}(0) exp(-i t (E_s - E_t))
                      exp(-2 t sum_j gamma_j (n_j(s) - n_j(t))^2)
                      exp(-2 gamma1 t (number of atoms of 2 and 3 that differ in s and t)),

    with E = -n_1 n_2 + n_2 n_3 - n_3 n_4; then V = exp(i phi_2 n_2 + i phi_3 n_3), phi = (phi_2, phi_3).
    """
    patterns = list(itertools.product((0, 1), repeat=N))  # 0: a, 1: b
    basis = [(k1, s2, s3, k4) for k1 in range(N + 1) for s2 in patterns for s3 in patterns for k4 in range(N + 1)]
    n = np.array([[k1, s2.count(0), s3.count(0), k4] for k1, s2, s3, k4 in basis])
    atoms = np.array([s2 + s3 for _, s2, s3, _ in basis])
    psi = coherent_amplitudes(N)
    ket = psi[n[:, 0]] * psi[n[:, 3]] / 2**N
    energy = -n[:, 0] * n[:, 1] + n[:, 1] * n[:, 2] - n[:, 2] * n[:, 3]
    ket = ket * np.exp(-1j * t * energy + 1j * (phi[0] * n[:, 1] + phi[1] * n[:, 2]))
    collective = ((n[:, None, :] - n[None, :, :]) ** 2) @ np.asarray(gamma, float)
    single = (atoms[:, None, :] != atoms[None, :, :]).sum(-1)
    rho = np.outer(ket, ket.conj()) * np.exp(-2 * t * (collective + gamma1 * single))
    side = len(patterns)
    rho = rho.reshape((N + 1, side, side, N + 1) * 2)
    projectors = _two_level_count_projectors(N)
    return {
        (q, r): np.einsum("axydeuvh,ux,vy->adeh", rho, projectors[q], projectors[r])
        for q in range(N + 1)
        for r in range(N + 1)
    }


def _two_level_count_projectors(N):
    """[P_0 .. P_N], P_q the sum of the product projectors with q atoms in + and N - q in -."""
    single = [np.array([[1, 1], [1, 1]]) / 2, np.array([[1, -1], [-1, 1]]) / 2]
    found = [np.zeros((2**N, 2**N)) for _ in range(N + 1)]
    for pattern in itertools.product((0, 1), repeat=N):
        product = np.eye(1)
        for outcome in pattern:
            product = np.kron(product, single[outcome])
        found[pattern.count(0)] += product
    return found


def resolve_two(states, x2, x3, sigma):
    """sum_{q2, q3} w(x2, q2) w(x3, q3) rho~_{q2, q3}, states = {(q2, q3): rho~}."""
    highest = max(q for q, _ in states)
    w2, w3 = (resolution_weights(x, sigma, highest) for x in (x2, x3))
    return sum(w2[q] * w3[r] * state for (q, r), state in states.items())


def four_ensembles_records_qutip(N, t, gamma, gamma1, phi):
    """The same as four_ensembles_records, by qutip.mesolve on the full space with jump operators."""
    import qutip

    dims = [N + 1, *[2] * (2 * N), N + 1]

    def place(operator, site):
        parts = [qutip.qeye(d) for d in dims]
        parts[site] = operator
        return qutip.tensor(parts)

    a, b = qutip.basis(2, 0), qutip.basis(2, 1)
    n_1, n_4 = place(qutip.num(N + 1), 0), place(qutip.num(N + 1), 2 * N + 1)
    n_2 = sum(place(a * a.dag(), 1 + j) for j in range(N))
    n_3 = sum(place(a * a.dag(), 1 + N + j) for j in range(N))
    hamiltonian = -n_1 * n_2 + n_2 * n_3 - n_3 * n_4
    numbers = (n_1, n_2, n_3, n_4)
    jumps = [math.sqrt(g) * (2 * m - N) for g, m in zip(gamma, numbers, strict=True) if g]
    if gamma1:
        jumps += [math.sqrt(gamma1) * place(qutip.sigmaz(), 1 + j) for j in range(2 * N)]
    end = qutip.Qobj(coherent_amplitudes(N))
    start = qutip.ket2dm(qutip.tensor([end, *[(a + b).unit()] * (2 * N), end]))
    options = {"method": "vern9", "atol": 1e-13, "rtol": 1e-12, "nsteps": 10**6}
    final = qutip.mesolve(hamiltonian, start, [0, t], c_ops=jumps, options=options).states[-1]
    offset = (1j * (phi[0] * n_2 + phi[1] * n_3)).expm()
    final = offset * final * offset.dag()
    outcomes = [(a + b).unit(), (a - b).unit()]
    records = {}
    for pattern in itertools.product((0, 1), repeat=2 * N):
        bra = qutip.tensor([qutip.qeye(N + 1), *[outcomes[o].dag() for o in pattern], qutip.qeye(N + 1)])
        state = (bra * final * bra.dag()).full().reshape((N + 1,) * 4)
        key = (pattern[:N].count(0), pattern[N:].count(0))
        records[key] = records.get(key, 0) + state
    return records


# --------------------------------------------------------------------------------- stored values

TIMES = (1.3, 2 * math.pi / 3)
GAMMAS = ((0.0, 0.0, 0.0), (0.05, 0.05, 0.05), (0.02, 0.07, 0.04))
NOISES = ((0.0, 0.0), (0.15, 0.0), (0.0, 0.4), (0.15, 0.4))  # (gamma1, Gamma)
OFFSETS = (0.0, 0.2)
SIGMAS = (0.7, 1.5)
SIGMA_TABLE = (  # (t, phi, x, printed log negativities for sigma = 0, 1, 3, 5), N = 24
    (math.pi / 2, math.pi / 8, 23, (1.997, 1.979, 1.755, 1.496)),
    (1.0, 0.0, 24, (2.752, 2.596, 2.052, 1.616)),
)


def records_of_x(N):
    return (0.4, N - 0.5, float(N))


def oracle_1_values():
    cases = []
    for N, t, gamma, (gamma1, Gamma) in itertools.product((2, 3), TIMES, GAMMAS, NOISES):
        blocks = evolve_middle_blocks(N, t, gamma[1], gamma1, Gamma)
        for phi in OFFSETS:
            counts = three_level_records(N, t, gamma, gamma1, Gamma, phi, blocks)
            states = not_counting_lost(counts)
            case = {"N": N, "t": t, "gamma": gamma, "gamma1": gamma1, "Gamma": Gamma, "phi": phi}
            case["counts"] = [
                [q, lost, *figures(state)] for (q, lost), state in sorted(counts.items()) if Gamma or not lost
            ]
            case["not_counting_lost"] = [[q, *figures(states[q])] for q in sorted(states)]
            case["resolution"] = [
                [sigma, x, *figures(resolve(states, x, sigma))]
                for sigma, x in itertools.product(SIGMAS, records_of_x(N))
            ]
            if Gamma:
                one = {q: state for (q, lost), state in counts.items() if lost == 1}
                case["resolution_one_lost"] = [
                    [sigma, N - 0.5, *figures(resolve(one, N - 0.5, sigma))] for sigma in SIGMAS
                ]
            cases.append(case)
    return cases


def full_states():
    gamma, gamma1, Gamma, phi = GAMMAS[2], *NOISES[3], 0.2
    two = three_level_records(2, 1.3, gamma, gamma1, Gamma, phi)
    three = not_counting_lost(three_level_records(3, TIMES[1], gamma, gamma1, Gamma, phi))
    found = []
    for N, t, record, state in (
        (2, TIMES[0], {"q": 1, "lost": 0}, two[1, 0]),
        (2, TIMES[0], {"q": 0, "lost": 1}, two[0, 1]),
        (3, TIMES[1], {"q": 2}, three[2]),
        (3, TIMES[1], {"x": 2.5, "sigma": 0.7}, resolve(three, 2.5, 0.7)),
    ):
        p = probability(state)
        matrix = state.reshape((N + 1) ** 2, (N + 1) ** 2) / p
        case = {"N": N, "t": t, "gamma": gamma, "gamma1": gamma1, "Gamma": Gamma, "phi": phi}
        case.update(record=record, p=p, real=matrix.real.tolist(), imag=matrix.imag.tolist())
        found.append(case)
    return found


def oracle_2_values():
    table, cases = [], []
    for (t, phi, x, printed), c in itertools.product(SIGMA_TABLE, (None, 4)):
        for sigma, value in zip((0, 1, 3, 5), printed, strict=True):
            state = dense_resolution(24, t, GAMMAS[0], phi, x, sigma, c)
            case = {"N": 24, "t": t, "gamma": GAMMAS[0], "phi": phi, "x": x, "sigma": sigma, "c": c}
            case["printed_log_negativity"] = value
            case["values"] = figures(state)
            table.append(case)
    for N, gamma, sigma in itertools.product((7, 24), GAMMAS, (0.7, 1.5)):
        for x in records_of_x(N):
            state = dense_resolution(N, 1.3, gamma, 0.2, x, sigma)
            case = {"N": N, "t": 1.3, "gamma": gamma, "phi": 0.2, "x": x, "sigma": sigma, "c": None}
            case["values"] = figures(state)
            cases.append(case)
    return table, cases


def oracle_3_values():
    N, cases = 2, []
    gammas = ((0.0,) * 4, (0.05,) * 4, (0.02, 0.07, 0.04, 0.03))
    for t, gamma, gamma1, phi in itertools.product(TIMES, gammas, (0.0, 0.15), ((0.0, 0.0), (0.2, 0.1))):
        counts = four_ensembles_records(N, t, gamma, gamma1, phi)
        case = {"N": N, "t": t, "gamma": gamma, "gamma1": gamma1, "phi": phi}
        case["counts"] = [[*q, *figures(state)] for q, state in sorted(counts.items())]
        case["resolution"] = [
            [sigma, x2, x3, *figures(resolve_two(counts, x2, x3, sigma))]
            for sigma in SIGMAS
            for x2, x3 in ((0.4, 1.5), (1.5, 2.0), (2.0, 2.0))
        ]
        cases.append(case)
    return cases


def _difference(one, other):
    if set(one) != set(other):
        raise ValueError("the records differ")
    return float(max(np.abs(one[key] - other[key]).max() for key in one))


def _difference_of_figures(one, other):
    pairs = [(figures(one[key]), figures(other[key])) for key in one]
    return float(max(abs(a - b) for x, y in pairs for a, b in zip(x, y, strict=True) if a and b))


def cross_checks():
    """Largest differences of any element of any rho~ between independent ways to the same state."""
    two = (2, 1.3, GAMMAS[2], *NOISES[3], 0.2)
    three = (3, 2 * math.pi / 3, GAMMAS[2], *NOISES[3], 0.2)
    found = {}
    blocks = three_level_records(*two)
    full = three_level_records_qutip(*two)
    found["N=2 blocks, sparse against dense expm"] = _difference(blocks, three_level_records(*two, dense=True))
    found["N=2 blocks against qutip.mesolve"] = _difference(blocks, full)
    found["N=2 blocks against qutip.mesolve, [p, E, I]"] = _difference_of_figures(blocks, full)
    full = three_level_records_qutip(*two, solver="expm")
    found["N=2 blocks against expm of QuTiP's full Liouvillian"] = _difference(blocks, full)
    blocks = three_level_records(*three)
    full = three_level_records_qutip(*three, solver="expm")
    found["N=3 blocks against expm of QuTiP's full Liouvillian"] = _difference(blocks, full)
    found["N=3 same, [p, E, I]"] = _difference_of_figures(blocks, full)
    quiet = not_counting_lost(three_level_records(3, 1.3, GAMMAS[2], 0, 0, 0.2))
    found["N=3 oracle 1 against oracle 2, counts"] = _difference(
        quiet,
        {q: dense_resolution(3, 1.3, GAMMAS[2], 0.2, q, 0) for q in quiet},
    )
    found["N=3 oracle 1 against oracle 2, x = 0.4, sigma = 0.7"] = _difference(
        {0: resolve(quiet, 0.4, 0.7)}, {0: dense_resolution(3, 1.3, GAMMAS[2], 0.2, 0.4, 0.7)}
    )
    four = (2, 1.3, (0.02, 0.07, 0.04, 0.03), 0.15, (0.2, 0.1))
    found["M=4 N=2 against qutip.mesolve"] = _difference(
        four_ensembles_records(*four), four_ensembles_records_qutip(*four)
    )
    return found


ABOUT = (
    "Written by tests/oracles_measurement.py, which see for the equations. Every record ends in "
    "[p, log negativity in log2, coherent information S(rho_last) - S(rho) in bits], the last two "
    "null where p <= 1e-12. oracle_1 (M = 3): counts = [q, lost, ...], not_counting_lost = [q, ...], "
    "resolution = [sigma, x, ...] with only q counted, resolution_one_lost = [sigma, x, ...] with "
    "lost = 1 counted exactly. oracle_1_states: normalized states, row k1 (N + 1) + k3. oracle_2 "
    "(M = 3, no single-atom noise): c = null is no window. oracle_3 (M = 4): gamma has 4 entries, "
    "phi = [phi_2, phi_3], counts = [q2, q3, ...], resolution = [sigma, x2, x3, ...]."
)


def main():
    started = time.perf_counter()
    table, cases = oracle_2_values()
    values = {
        "about": ABOUT,
        "oracle_1": oracle_1_values(),
        "oracle_1_states": full_states(),
        "oracle_2_sigma_table": table,
        "oracle_2": cases,
        "oracle_3": oracle_3_values(),
        "cross_checks": cross_checks(),
    }
    parts = []
    for key, value in values.items():
        if isinstance(value, list):
            lines = ",\n".join(json.dumps(case) for case in value)
            parts.append(f"{json.dumps(key)}: [\n{lines}\n]")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value)}")
    DATA.write_text("{\n" + ",\n".join(parts) + "\n}\n")
    for name, difference in values["cross_checks"].items():
        print(f"{name}: {difference:.1e}")
    print(f"{time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
