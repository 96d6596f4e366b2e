"""States and operators to QuTiP and xarray and back: index order, dims, labels, and QuTiP's measures of them."""

import math
import sys

import jax
import numpy as np
import oracles
import pytest
import qutip
import xarray as xr

import jaxent
from jaxent import chain as steps
from jaxent import dicke

LONG = jaxent.Chain(4, 9, 1.7)  # four of ten Dicke states
ODD = (LONG, 0.7, [7, 4], [0.2, -0.1])  # nothing about it is symmetric


def random(*shape):
    rng = np.random.default_rng(len(shape))
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def random_state(m, n):
    root = random(m * n, 2)
    return (root @ root.conj().T / np.sum(abs(root) ** 2)).reshape(m, n, m, n)


# -------------------------------------------------------------- QuTiP


def test_kets_keep_their_index_order_and_dims():
    amplitudes = random(2, 3)
    ket = jaxent.to_qutip(amplitudes)
    assert (ket.type, ket.dims) == ("ket", qutip.basis([2, 3], [0, 0]).dims)
    for i, j in np.ndindex(2, 3):
        assert qutip.tensor(qutip.basis(2, i), qutip.basis(3, j)).overlap(ket) == amplitudes[i, j]
    np.testing.assert_array_equal(jaxent.from_qutip(ket), amplitudes)


def test_density_matrices_keep_their_index_order_and_dims():
    rho = random_state(2, 3)
    state = jaxent.to_qutip(rho)
    assert (state.type, state.dims) == ("oper", [[2, 3], [2, 3]])
    for i, j, k, l in np.ndindex(*rho.shape):  # noqa: E741
        element = qutip.tensor(qutip.basis(2, i), qutip.basis(3, j)).dag() * state
        assert (element * qutip.tensor(qutip.basis(2, k), qutip.basis(3, l))) == rho[i, j, k, l]
    np.testing.assert_array_equal(jaxent.from_qutip(state), rho)


def test_the_whole_chain_and_its_density_matrix_come_back():
    chain = jaxent.Chain(4, 2)
    tensor = steps.evolve(chain, steps.initial_state(chain), 0.7)
    ket = jaxent.to_qutip(tensor, 4)
    assert (ket.type, ket.dims) == ("ket", [[3] * 4, [1]])
    np.testing.assert_array_equal(jaxent.from_qutip(ket, 4), tensor)
    for ensemble in (1, 2, 3, 4):
        reduced = jaxent.from_qutip(ket.ptrace(ensemble - 1), 1)
        np.testing.assert_allclose(reduced, steps.reduced_density_matrix(chain, tensor, ensemble), atol=1e-14, rtol=0)
    whole = jaxent.to_qutip(np.tensordot(tensor, np.conj(tensor), axes=0), 4)
    assert (whole - qutip.ket2dm(ket)).norm() < 1e-14


@pytest.mark.parametrize("arguments", [(jaxent.Chain(3, 5), 0.9, 4, 0.3), ODD], ids=str)
@pytest.mark.usefixtures("quick_compilation")
def test_measures_of_pure_states_are_those_of_qutip(arguments):
    amplitudes = jaxent.end_to_end_amplitudes(*arguments)
    ket = jaxent.to_qutip(amplitudes)
    assert ket.norm() ** 2 == pytest.approx(float(jaxent.outcome_probability(*arguments)), rel=1e-12)
    ket = ket.unit()
    entropy = float(jaxent.end_to_end_entropy(*arguments))
    assert qutip.entropy_vn(ket.ptrace(0), 2) == pytest.approx(entropy, abs=1e-10)
    assert qutip.entropy_vn(ket.ptrace(1), 2) == pytest.approx(entropy, abs=1e-10)
    found = float(jaxent.log_negativity(jaxent.from_qutip(ket)))
    assert qutip.negativity(qutip.ket2dm(ket), 0, logarithmic=True) == pytest.approx(found, abs=1e-7)
    for end, ensemble in ((0, 1), (1, arguments[0].n_ensembles)):
        reduced = steps.reduced_density_matrix(arguments[0], amplitudes, ensemble)
        np.testing.assert_allclose(jaxent.from_qutip(ket.ptrace(end), 1), reduced, atol=1e-13, rtol=0)


@pytest.mark.parametrize("chain", [jaxent.Chain(3, 9, 1.7), jaxent.Chain(4, 2)], ids=str)
@pytest.mark.usefixtures("quick_compilation")
def test_measures_of_mixed_states_are_those_of_qutip(chain):
    knobs = (0.7, chain.n_atoms - 1, 0.2)
    rho = jaxent.end_to_end_state(chain, knobs[0], 0.05, *knobs[1:])
    state = jaxent.to_qutip(rho)
    size = chain.dimension**2
    assert state.tr() == pytest.approx(1.0, abs=1e-12)
    assert qutip.entropy_vn(state, 2) == pytest.approx(
        float(jaxent.von_neumann_entropy(rho.reshape(size, size))), abs=1e-9
    )
    assert state.purity() == pytest.approx(float(jaxent.purity(rho)), abs=1e-12)
    transposed = qutip.partial_transpose(state, [1, 0])
    np.testing.assert_array_equal(jaxent.from_qutip(transposed), np.transpose(rho, (2, 1, 0, 3)))
    bits = float(jaxent.end_to_end_log_negativity(chain, knobs[0], 0.05, *knobs[1:]))
    assert qutip.negativity(state, 0, logarithmic=True) == pytest.approx(bits, abs=1e-7)
    assert qutip.negativity(state, 1) == pytest.approx(float(jaxent.state_negativity(rho)), abs=1e-7)
    coherent = qutip.entropy_vn(state.ptrace(1), 2) - qutip.entropy_vn(state, 2)
    assert coherent == pytest.approx(float(jaxent.coherent_information(rho)), abs=1e-9)
    amplitudes = jaxent.end_to_end_amplitudes(chain, *knobs)
    fidelity = qutip.fidelity(state, jaxent.to_qutip(amplitudes).unit()) ** 2  # QuTiP's is the root of ours
    assert fidelity == pytest.approx(float(jaxent.state_fidelity(rho, amplitudes)), abs=1e-7)


def test_concurrence_of_two_qubits():
    """Of a pure state it is twice the negativity; of a mixed one it is at least that."""
    chain = jaxent.Chain(3, 1)
    ket = jaxent.to_qutip(jaxent.end_to_end_amplitudes(chain, 0.8, 0, 0.3)).unit()
    assert qutip.concurrence(ket) == pytest.approx(2 * float(jaxent.negativity(jaxent.from_qutip(ket))), abs=1e-7)
    rho = jaxent.end_to_end_state(chain, 0.8, 0.05, 0, 0.3)
    concurrence, twice = qutip.concurrence(jaxent.to_qutip(rho)), 2 * float(jaxent.state_negativity(rho))
    assert twice > 0.1
    assert math.hypot(1 - concurrence, concurrence) - (1 - concurrence) - 1e-12 <= twice <= concurrence + 1e-12


def test_collective_operators_are_those_of_qutip_in_spin_order():
    n = 5
    pairs = {"z": dicke.spin_z(n), "x": dicke.spin_x(n), "y": dicke.spin_y(n)}
    for name, operator in pairs.items():
        ours = jaxent.to_qutip(operator, 1, spin_order=True)
        assert ours.dims == [[6], [6]]
        assert (ours - 2 * qutip.jmat(n / 2, name)).norm() < 1e-13
        np.testing.assert_allclose(
            jaxent.from_qutip(2 * qutip.jmat(n / 2, name), 1, spin_order=True), operator, atol=1e-14, rtol=0
        )
    assert (jaxent.to_qutip(dicke.spin_raising(n), 1, spin_order=True) - qutip.jmat(n / 2, "+")).norm() < 1e-13
    assert (jaxent.to_qutip(dicke.spin_z(n), 1) - (2 * qutip.num(n + 1) - n)).norm() == 0  # S_z = 2k - N
    alpha, beta = math.cos(0.4), math.sin(0.4) * np.exp(0.9j)
    coherent = jaxent.to_qutip(dicke.coherent_state(n, alpha, beta), 1, spin_order=True)
    assert abs(qutip.spin_coherent(n / 2, 0.8, 0.9).overlap(coherent)) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("spin_order", [False, True])
def test_x_outcomes_are_eigenkets_of_s_x(spin_order):
    n = 4
    spin = jaxent.to_qutip(dicke.spin_x(n), 1, spin_order=spin_order)
    for outcome in range(n + 1):
        ket = jaxent.to_qutip(dicke.x_basis(n, outcome), 1, spin_order=spin_order)
        assert (spin * ket - (2 * outcome - n) * ket).norm() < 1e-13


@pytest.mark.parametrize("spin_order", [False, True])
def test_order_of_two_ends(spin_order):
    amplitudes = random(2, 3)
    ket = jaxent.to_qutip(amplitudes, spin_order=spin_order)
    expected = amplitudes[::-1, ::-1] if spin_order else amplitudes
    np.testing.assert_array_equal(ket.full().reshape(2, 3), expected)
    np.testing.assert_array_equal(jaxent.from_qutip(ket, spin_order=spin_order), amplitudes)


@pytest.fixture(scope="module")
def ends_from_qutip():
    """Dephasing (29) of M = 3, N = 2, γ = (0.02, 0.05, 0.01), t = 0.8 in QuTiP's own spin operators; q = 1, φ = 0.3."""
    n, time = 2, 0.8
    spins = [qutip.jmat(n / 2, "z"), qutip.qeye(n + 1)]
    z = [qutip.tensor([spins[j != here] for j in range(3)]) for here in range(3)]
    counts = [one + n / 2 for one in z]
    hamiltonian = -counts[0] * counts[1] + counts[1] * counts[2]
    collapse = [math.sqrt(rate) * 2 * one for rate, one in zip((0.02, 0.05, 0.01), z, strict=True)]
    _, x_states = qutip.jmat(n / 2, "x").eigenstates()  # increasing: q = 0, 1, 2
    start = qutip.ket2dm(qutip.tensor([x_states[n]] * 3))
    options = {"method": "dop853", "atol": 1e-12, "rtol": 1e-10, "nsteps": 10**5}
    final = qutip.mesolve(hamiltonian, start, [0.0, time], collapse, options=options).states[-1]
    turned = (0.3j * counts[1]).expm() * final * (-0.3j * counts[1]).expm()
    one = qutip.qeye(n + 1)
    bra = qutip.tensor(one, x_states[1].dag(), one)
    kept = bra * turned * bra.dag()
    return qutip.Qobj(kept.full(), dims=[[n + 1] * 2] * 2).unit()


def test_a_mesolve_result_measured_by_jaxent_is_the_closed_form(ends_from_qutip):
    rho = jaxent.from_qutip(ends_from_qutip, spin_order=True)
    arguments = (jaxent.Chain(3, 2), 0.8, jaxent.EnsembleRates(np.array([0.02, 0.05, 0.01])), 1, 0.3)
    np.testing.assert_allclose(rho, jaxent.end_to_end_state(*arguments), atol=1e-9, rtol=0)
    bits = float(jaxent.end_to_end_log_negativity(*arguments))
    assert float(jaxent.log_negativity_dm(rho)) == pytest.approx(bits, abs=1e-8)
    exact = oracles.state_log_negativity_bits(oracles.dephased_state(3, 2, 0.8, [0.02, 0.05, 0.01], [1], 0.3))
    assert bits == pytest.approx(exact, abs=1e-10)


def test_without_qutip_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "qutip", None)
    for call in (lambda: jaxent.to_qutip(np.eye(2)), lambda: jaxent.from_qutip(None)):
        with pytest.raises(ImportError, match=r"pip install 'jaxent\[qutip\]'\.$") as caught:
            call()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: jaxent.to_qutip(np.ones((4, 3, 3))), r"must have 2 axes .* or 4 .* has the shape \(4, 3, 3\)"),
        (lambda: jaxent.to_qutip(np.ones((2, 3, 3, 2))), r"its bras like its kets.* has the shape \(2, 3, 3, 2\)"),
        (lambda: jaxent.to_qutip(np.ones((2, 2)), 3), r"must have 3 axes \(a ket\), or 6"),
        (lambda: jaxent.to_qutip(np.ones((0, 2))), r"has the shape \(0, 2\)"),
        (lambda: jaxent.to_qutip(np.full((2, 2), np.nan)), "`state` must be finite"),
        (lambda: jaxent.to_qutip(np.eye(2), 0), "`n_systems` must be an integer of at least 1, but is 0"),
        (lambda: jax.jit(jaxent.to_qutip)(np.eye(2)), "`state` must be known, but is traced; convert it outside jit"),
        (lambda: jaxent.from_qutip(np.eye(2)), r"`qobj` must be a qutip.Qobj, but is of type ndarray"),
        (lambda: jaxent.from_qutip(qutip.basis(9, 0)), r"n_systems = 2 tensor factors, but has dims \[\[9\], \[1\]\]"),
        (lambda: jaxent.from_qutip(qutip.basis([3, 3], [0, 0]).dag()), r"but is of type 'bra'; take its .dag\(\)"),
        (lambda: jaxent.from_qutip(qutip.to_super(qutip.qeye([2, 2]))), "must be a ket or an operator"),
        (lambda: jaxent.from_qutip(qutip.Qobj(np.ones((6, 6)), dims=[[2, 3], [3, 2]])), "`qobj` must be square"),
        (lambda: jaxent.from_qutip(qutip.Qobj([[np.inf], [0]]), 1), "`qobj` must be finite"),
        (lambda: jaxent.state_negativity(jaxent.from_qutip(qutip.num(3), 1)), r"must have the shape \(m, n, m, n\)"),
    ],
)
def test_what_cannot_be_converted_is_refused_in_one_sentence(call, words):
    with pytest.raises(ValueError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------- xarray


@pytest.mark.parametrize(
    ("state", "chain", "labels"),
    [
        (random(4, 4), LONG, {"time": 0.7, "outcomes": [7, 4], "phase_offset": [0.2, -0.1]}),
        (random(3, 3), jaxent.Chain(3, 2), {}),
        (
            random(3, 3, 3, 3),
            jaxent.Chain(3, 2),
            {"time": jaxent.pi_fraction(2, 3), "dephasing_rate": 0.1, "collective_rate": 1e-17, "outcomes": 1},
        ),
        (random(3, 3, 3, 3), jaxent.Chain(4, 2), {"n_systems": 4}),
        (random(3), jaxent.Chain(4, 2), {"n_systems": 1}),
        (random(3, 3), jaxent.Chain(4, 2), {"n_systems": 1, "dephasing_rate": [0.1, 0.2, 1 / 3, 0.0]}),
        (random(3, 4, 4), LONG, {"time": np.array([0.1, 0.7, 1 / 3])}),
        (random(2, 4, 4, 4, 4), LONG, {"time": jaxent.pi_fraction(np.array([2, 1]), np.array([3, 7]))}),
        (random(3, 3), jaxent.Chain(3, 2), {"time": jaxent.BondTimes(np.array([0.1, 0.3]))}),
        (
            random(2, 3, 3),
            jaxent.Chain(3, 2),
            {"time": jaxent.BondTimes(jaxent.pi_fraction(np.array([[1, 2], [1, 1]]), np.array([[3, 5], [2, 4]])))},
        ),
    ],
)
def test_labelled_arrays_come_back_exactly(tmp_path, state, chain, labels):
    data = jaxent.to_xarray(state, chain, **labels)
    data.to_netcdf(tmp_path / "state.nc", engine="h5netcdf")
    with xr.open_dataarray(tmp_path / "state.nc", engine="h5netcdf") as read:
        for one in (data, read, data.transpose(*data.dims[::-1]), data.isel({data.dims[-1]: slice(None, None, -1)})):
            found = jaxent.from_xarray(one)
            assert found.chain == chain
            np.testing.assert_array_equal(found.state, state)
            assert found.labels.keys() == labels.keys() | {"n_systems"}
            expected = {"n_systems": 2} | labels
            assert jax.tree.structure(found.labels) == jax.tree.structure(expected)
            assert jax.tree.all(jax.tree.map(np.array_equal, found.labels, expected))
            again = jaxent.to_xarray(found.state, found.chain, **found.labels)
            assert again.identical(data)


def test_labels_say_which_state_is_where():
    state = random(4, 4, 4, 4)
    data = jaxent.to_xarray(state, LONG, time=jaxent.pi_fraction(1, 2), outcomes=[7, 4])
    assert data.dims == ("first", "last", "first_bra", "last_bra")
    assert data.first.values.tolist() == LONG.states.tolist() == [3, 4, 5, 6]
    assert complex(data.sel(first=3, last=5, first_bra=6, last_bra=4)) == state[0, 2, 3, 1]
    assert float(data.time) == math.pi / 2
    assert data.time.attrs["units"] == "1/coupling"
    assert int(data.n_atoms) == 9
    assert float(data.window) == 1.7
    assert str(data.outcomes.item()) == "7 4"
    assert {one.attrs["units"] for one in data.coords.values()} == {"1", "1/coupling"}


def test_amplitudes_of_a_sweep_are_read(tmp_path):
    question = jaxent.Sweep(quantities=["amplitudes"], n_atoms=3, time=["pi/2", "2pi/3"], outcomes=["N", "N-1"])
    jaxent.run_sweep(question, tmp_path / "results")
    data = jaxent.open_sweep(tmp_path / "results").amplitudes
    state, chain, labels = jaxent.from_xarray(data.isel(outcomes=1, time=0))
    assert chain == jaxent.Chain(3, 3)
    assert labels["outcomes"] == "N-1"
    exact = oracles.end_to_end(3, 3, math.pi / 2, [2], [0.0])
    np.testing.assert_allclose(abs(np.asarray(state)), abs(exact), atol=1e-12, rtol=0)
    assert labels["time"].numerator == 1
    with pytest.raises(ValueError, match=r"no axes beside first, last and `time`, but has outcomes; choose one value"):
        jaxent.from_xarray(data)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: jaxent.to_xarray(random(3, 3), LONG),
            r"must have the shape \(4, 4\) or \(4, 4, 4, 4\) .* has \(3, 3\)",
        ),
        (lambda: jaxent.to_xarray(random(2, 4, 4), LONG, time=[1.0] * 3), r"\(3, 4, 4\) .*along its first axis"),
        (lambda: jaxent.to_xarray(random(4, 4, 4), LONG, n_systems=3), r"must be 1, 2 \(the ends\) or n_ensembles = 4"),
        (
            lambda: jaxent.to_xarray(random(4, 4), LONG, time=np.ones((1, 1))),
            "`time` must be one time or a list of times",
        ),
        (lambda: jaxent.to_xarray(random(4, 4), LONG, time=math.nan), "`time` must be finite"),
        (lambda: jaxent.to_xarray(random(4, 4), LONG, time=jaxent.BondTimes(np.ones(2))), "n_ensembles - 1 = 3 times"),
        (lambda: jaxent.to_xarray(random(4, 4), LONG, outcomes=[[1]]), "`outcomes` must be a number, or one for each"),
        (
            lambda: jax.vmap(lambda a: jaxent.to_xarray(a, LONG))(random(2, 4, 4)),
            "`state` must be known, but is traced",
        ),
        (lambda: jaxent.from_xarray(np.eye(2)), "must be an xarray.DataArray, but is a ndarray"),
        (lambda: jaxent.from_xarray(xr.Dataset()), "but is a Dataset; choose one of its variables by name"),
        (lambda: jaxent.from_xarray(xr.DataArray(1.0)), "one value of the coordinate `n_ensembles`, but has none"),
        (lambda: jaxent.from_xarray(labelled().rename(first="start")), "must have the axes `first` and `last`"),
        (lambda: jaxent.from_xarray(labelled().isel(first=[0, 1])), "along `first` the Dicke states"),
        (lambda: jaxent.from_xarray(labelled().drop_vars("last").isel(last=[0])), "must have 4 states along each axis"),
        (lambda: jaxent.from_xarray(labelled().expand_dims(n_atoms=[9, 10])), "`n_atoms`, but has many"),
    ],
)
def test_what_cannot_be_labelled_is_refused_in_one_sentence(call, words):
    with pytest.raises(ValueError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def labelled():
    return jaxent.to_xarray(random(4, 4), LONG)


def test_measures_take_kets_and_operators_of_qutip():
    rng = np.random.default_rng(3)
    ket = qutip.Qobj(rng.normal(size=(12, 1)) + 1j * rng.normal(size=(12, 1)), dims=[[3, 4], [1, 1]]).unit()
    noise = qutip.rand_dm([3, 4], seed=1)
    rho = 0.6 * ket.proj() + 0.4 * noise
    entropy = qutip.entropy_vn(ket.ptrace(0), 2)
    assert jaxent.entanglement_entropy(ket) == pytest.approx(entropy, abs=1e-12)
    np.testing.assert_allclose(
        jaxent.schmidt_coefficients(3 * ket) ** 2, ket.ptrace(0).eigenenergies()[::-1], atol=1e-12
    )
    assert jaxent.von_neumann_entropy(rho) == pytest.approx(qutip.entropy_vn(rho, 2), abs=1e-12)
    assert jaxent.purity(rho) == pytest.approx((rho * rho).tr().real, abs=1e-12)
    assert jaxent.state_negativity(rho) == pytest.approx(qutip.negativity(rho, 0), abs=1e-12)
    assert jaxent.state_fidelity(rho, ket) == pytest.approx(qutip.expect(rho, ket), abs=1e-12)
    conditional = qutip.entropy_vn(rho.ptrace(1), 2) - qutip.entropy_vn(rho, 2)
    assert jaxent.coherent_information(rho) == pytest.approx(conditional, abs=1e-12)
    with pytest.raises(ValueError, match="`amplitudes` must be a ket, but is a Qobj of dims"):
        jaxent.entanglement_entropy(rho)
    with pytest.raises(ValueError, match=r"`rho` must be an operator, .* take its \.proj"):
        jaxent.log_negativity_dm(ket)
    with pytest.raises(ValueError, match="`rho` must have two tensor factors"):
        jaxent.log_negativity_dm(qutip.rand_dm(4, seed=1))
    with pytest.raises(ValueError, match="`amplitudes` must have two tensor factors"):
        jaxent.entanglement_entropy(qutip.basis(4, 1))
