"""What does a gradient cost, compared with the value, and with the differences one would take instead?

Claim: value and gradient of the entropy together cost at most 5 times the value at every N up to 10^6, however many
knobs there are; through the integrator the memory stays bounded as the steps multiply (checkpoints).

The other side is central differences with our own values: 2 values for each knob. Compilation is reported apart.
`--quick` stops at N = 1000 and writes nothing.
"""

import argparse
import math

import jax
import jax.numpy as jnp
import numpy as np
import record

jax.config.update("jax_enable_x64", True)

import jaxent  # noqa: E402

ATOMS = (10, 30, 100, 300, 10**3, 10**4, 10**5, 10**6)


def compare(function, point) -> dict:
    """Seconds of the value and of value and gradient, with compilation apart."""
    alone, both = jax.jit(function), jax.jit(jax.value_and_grad(function))
    compiling, value = record.compiled(lambda: alone(point))
    compiling_both, pair = record.compiled(lambda: both(point))
    knobs = np.size(point)
    return {
        "knobs": knobs,
        "value_seconds": value,
        "value_and_gradient_seconds": pair,
        "ratio": pair / value,
        "differences_over_gradient": 2 * knobs * value / pair,
        "compilation_seconds": [compiling, compiling_both],
    }


def cases(quick: bool):
    """Names, functions of a vector of knobs, and points."""
    for n_atoms in ATOMS:
        if quick and n_atoms > 1000:
            break
        chain = jaxent.Chain(3, n_atoms, None if n_atoms <= 100 else 3.0)
        yield f"N = {n_atoms}: t", lambda x, c=chain: jaxent.end_to_end_entropy(c, x[0]), np.array([1.0])
        if n_atoms <= 10**5:
            yield (
                f"N = {n_atoms}: t, φ",
                lambda x, c=chain: jaxent.end_to_end_entropy(c, x[0], c.n_atoms, x[1]),
                np.array([1.0, 0.1]),
            )
    chain = jaxent.Chain(8, 30)
    yield (
        "M = 8, N = 30: 7 bonds, 6 offsets",
        lambda x: jaxent.end_to_end_entropy(chain, jaxent.BondTimes(x[:7]), np.full(6, 25), x[7:]),
        np.concatenate([np.full(7, 0.6), np.full(6, 0.1)]),
    )
    noisy = jaxent.Chain(3, 20)
    yield (
        "dephased, N = 20: t, 3 rates, φ",
        lambda x: jaxent.end_to_end_log_negativity(noisy, x[0], jaxent.EnsembleRates(x[1:4]), 18, x[4]),
        np.array([0.7, 0.01, 0.02, 0.03, 0.1]),
    )
    average = jaxent.Chain(3, 50)
    yield (
        "average over outcomes, N = 50: t, φ",
        lambda x: jaxent.average_entropy(average, x[0], x[1]).value,
        np.array([math.pi / 2, 0.4]),
    )
    yield "integrator, N = 4, 100 steps: t, 3 rates, drive", integrated(100), np.array([0.7, 0.01, 0.02, 0.03, 0.2])


def integrated(n_steps: int):
    chain = jaxent.Chain(3, 4)

    def value(x):
        rho = jaxent.evolve_density(chain, x[0], x[1:4], drive=x[4], n_steps=n_steps)
        return jaxent.log_negativity_dm(jaxent.measure_density(chain, rho, 3, 0.1).state)

    return value


def integrator_memory(quick: bool) -> list[dict]:
    """Scratch memory of the compiled programs, as XLA reports it, for more and more steps."""
    rows = []
    for n_steps in (16, 64) if quick else (16, 64, 256, 1024, 4096):
        point = jnp.array([0.7, 0.01, 0.02, 0.03, 0.2])
        value, gradient = (
            jax.jit(f).lower(point).compile().memory_analysis().temp_size_in_bytes
            for f in (integrated(n_steps), jax.grad(integrated(n_steps)))
        )
        rows.append({"n_steps": n_steps, "value_bytes": value, "gradient_bytes": gradient})
        print(
            f"integrator, {n_steps:5d} steps: {value / 2**20:8.1f} MiB, gradient {gradient / 2**20:8.1f} MiB",
            flush=True,
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="up to N = 1000 only, nothing written")
    quick = parser.parse_args().quick
    rows = []
    print(f"{'':50s} value s  with gradient s   ratio  differences/gradient  compile s")
    for name, function, point in cases(quick):
        row = compare(function, point)
        rows.append({"case": name} | row)
        first, second = row["compilation_seconds"]
        print(
            f"{name:50s} {row['value_seconds']:7.1e} {row['value_and_gradient_seconds']:16.1e} {row['ratio']:7.2f} "
            f"{row['differences_over_gradient']:21.1f} {first:5.1f} {second:5.1f}",
            flush=True,
        )
    memory = integrator_memory(quick)
    if not quick:
        record.save("gradients", {"gradients": rows, "integrator_memory": memory})


if __name__ == "__main__":
    main()
