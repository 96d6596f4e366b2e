"""How much faster is the closed form than the general-purpose solvers, and how far does it reach?

Claim: M = 3 at least 100 times QuTiP's mesolve at N = 5; N = 300 within 2 s a point, N = 1000 (c = 3) within 3 minutes
on two cores.

The other side is what a user would write: QuTiP's and dynamiqs' mesolve of the master equation (29) over the whole
chain (default tolerances), the projection of the middle ensemble on q = N, and the eigenvalues of the partial
transpose. Then jaxent alone, the dense route and the stochastic estimate, and its own integrator at N = 30, c = 3.
Compilation is apart. `--quick` stops at N = 3 and N = 100 and writes nothing.
"""

import argparse
import resource
import time

import jax
import numpy as np
import record

jax.config.update("jax_enable_x64", True)

import jaxent  # noqa: E402

TIME, RATE = 1.0, 0.01


def single_operators(n_atoms: int):
    k = np.arange(n_atoms + 1)
    raising = np.diag(np.sqrt(k[1:] * (n_atoms - k[:-1])), -1)
    return np.diag(k * 1.0), np.diag(2.0 * k - n_atoms), raising + raising.T


def top_of_x(n_atoms: int) -> np.ndarray:
    values, vectors = np.linalg.eigh(single_operators(n_atoms)[2])
    return abs(vectors[:, np.argmax(values)])


def negativity_of(rho: np.ndarray, n_atoms: int) -> float:
    d = n_atoms + 1
    bra = top_of_x(n_atoms)
    ends = np.einsum("abcdef,b,e->acdf", rho.reshape((d,) * 6), bra, bra)
    transposed = ends.transpose(2, 1, 0, 3).reshape(d * d, d * d)
    return float(np.log2(abs(np.linalg.eigvalsh(transposed)).sum() / np.einsum("abab->", ends).real))


def with_qutip(n_atoms: int):
    import qutip

    n, sz, _ = map(qutip.Qobj, single_operators(n_atoms))
    one = qutip.qeye(n_atoms + 1)
    hamiltonian = -qutip.tensor(n, n, one) + qutip.tensor(one, n, n)
    collapse = [np.sqrt(RATE) * x for x in (qutip.tensor(sz, one, one), qutip.tensor(one, sz, one))]
    collapse.append(np.sqrt(RATE) * qutip.tensor(one, one, sz))
    start = qutip.ket2dm(qutip.tensor([qutip.Qobj(top_of_x(n_atoms)[:, None])] * 3))

    def run():
        final = qutip.mesolve(hamiltonian, start, [0.0, TIME], collapse, options={"nsteps": 10**6}).states[-1]
        return negativity_of(final.full(), n_atoms)

    return run


def with_dynamiqs(n_atoms: int):
    import dynamiqs as dq

    dq.set_precision("double")
    n, sz, _ = single_operators(n_atoms)
    one = np.eye(n_atoms + 1)

    def three(a, b, c):
        return np.kron(np.kron(a, b), c)

    hamiltonian = -three(n, n, one) + three(one, n, n)
    jumps = [np.sqrt(RATE) * x for x in (three(sz, one, one), three(one, sz, one), three(one, one, sz))]
    psi = np.kron(np.kron(top_of_x(n_atoms), top_of_x(n_atoms)), top_of_x(n_atoms))[:, None] + 0j

    def run():
        result = dq.mesolve(hamiltonian, jumps, psi, [0.0, TIME], progress_meter=False)
        return negativity_of(np.asarray(result.final_state.to_numpy()), n_atoms)

    return run


def compare(n_atoms: int) -> dict:
    chain = jaxent.Chain(3, n_atoms)
    ours = lambda: jaxent.end_to_end_log_negativity(chain, TIME, RATE)  # noqa: E731
    compilation, seconds = record.compiled(ours)
    row = {"n_atoms": n_atoms, "jaxent_seconds": seconds, "jaxent_compilation_seconds": compilation}
    for name, build in (("qutip", with_qutip), ("dynamiqs", with_dynamiqs)):
        run = build(n_atoms)
        value = run()  # compiles where there is something to compile
        row[f"{name}_seconds"] = record.seconds_of(run)
        row[f"{name}_ratio"] = row[f"{name}_seconds"] / seconds
        row[f"{name}_difference_bits"] = abs(value - float(ours()))
    return row


def alone(n_atoms: int) -> dict:
    chain = jaxent.Chain(3, n_atoms, 3.0)
    compilation, seconds = record.compiled(lambda: jaxent.end_to_end_log_negativity(chain, TIME, RATE))
    return {
        "n_atoms": n_atoms,
        "dimension": chain.dimension,
        "seconds": seconds,
        "compilation_seconds": compilation,
        "log_negativity_bits": float(jaxent.end_to_end_log_negativity(chain, TIME, RATE)),
    }


def estimated(n_atoms: int, n_probes: int, depth: int) -> dict:
    chain = jaxent.Chain(3, n_atoms, 3.0)
    start = time.perf_counter()
    found = jaxent.estimate_log_negativity(jax.random.key(0), chain, TIME, RATE, n_probes=n_probes, depth=depth)
    jax.block_until_ready(found)
    return {
        "n_atoms": n_atoms,
        "dimension": chain.dimension,
        "n_probes": n_probes,
        "depth": depth,
        "seconds_with_compilation": time.perf_counter() - start,
        "log_negativity_bits": float(found.value),
        "standard_error_bits": float(found.standard_error),
        "depth_error_bits": float(found.depth_error),
    }


def integrated() -> dict:
    """The whole density matrix of three ensembles, N = 30, c = 3: 24 million complex numbers."""
    chain, duration = jaxent.Chain(3, 30, 3.0), 0.05
    start = time.perf_counter()
    rho = jaxent.evolve_density(chain, duration, RATE, rtol=1e-7, atol=1e-10)
    state, _ = jaxent.measure_density(chain, rho)
    seconds = time.perf_counter() - start
    # the window truncates the middle ensemble too, which the closed form sums exactly
    closed = jaxent.end_to_end_state(chain, duration, RATE)
    return {
        "elements": chain.dimension**6,
        "time": duration,
        "seconds_with_compilation": seconds,
        "peak_memory_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "largest_difference_from_closed_form": float(abs(state - closed).max()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes only, nothing written")
    quick = parser.parse_args().quick
    results: dict = {"time": TIME, "dephasing_rate": RATE, "comparison": [], "alone": [], "estimate": []}
    for n_atoms in (2, 3) if quick else (2, 3, 4, 5, 6):
        results["comparison"].append(compare(n_atoms))
        print(results["comparison"][-1], flush=True)
    for n_atoms in (30, 100) if quick else (30, 100, 300, 1000):
        results["alone"].append(alone(n_atoms))
        print(results["alone"][-1], flush=True)
    for n_atoms, n_probes, depth in ((100, 8, 20),) if quick else ((300, 32, 100), (1000, 32, 150), (3000, 16, 150)):
        results["estimate"].append(estimated(n_atoms, n_probes, depth))
        print(results["estimate"][-1], flush=True)
    if not quick:
        results["integrator"] = integrated()
        print(results["integrator"], flush=True)
        record.save("dephasing", results)


if __name__ == "__main__":
    main()
