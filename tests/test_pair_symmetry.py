"""Blocks of matrices over pairs of ends have the spectrum of the whole."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxent.noise import pair_symmetry


def swapped(x):
    return x.transpose(1, 0, 3, 2)


def mirrored(x):
    return x[::-1, ::-1, ::-1, ::-1]


GROUPS = {
    "none": ({}, []),
    "parity": ({"parity": True}, [mirrored]),
    "exchange": ({"exchange": True}, [swapped]),
    "both": ({"parity": True, "exchange": True}, [mirrored, swapped]),
    "product only": ({"mirror": True}, [lambda x: mirrored(swapped(x))]),
}


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("dimension", [1, 2, 3, 6, 7])
@pytest.mark.parametrize("hermitian", [False, True])
def test_blocks_have_the_spectrum_of_the_whole(group, dimension, hermitian):
    chosen, images = GROUPS[group]
    rng = np.random.default_rng(dimension)
    matrix = rng.normal(size=(dimension,) * 4) + hermitian * 1j * rng.normal(size=(dimension,) * 4)
    matrix = matrix + matrix.conj().transpose(2, 3, 0, 1)
    for image in images:
        matrix = matrix + image(matrix)
    found = pair_symmetry.sectors(dimension, **chosen)
    assert sum(sector.size for sector in found) == dimension**2
    on_device = jnp.asarray(matrix)
    blocks = [pair_symmetry.block(sector, lambda a, b, c, d: on_device[a, b, c, d]) for sector in found]
    together = np.sort(np.concatenate([np.linalg.eigvalsh(block) for block in blocks]))
    whole = np.linalg.eigvalsh(matrix.reshape(dimension**2, dimension**2))
    np.testing.assert_allclose(together, whole, atol=1e-12 * dimension**2, rtol=0)


def test_four_sectors_are_a_quarter_each():
    sizes = [sector.size for sector in pair_symmetry.sectors(31, parity=True, exchange=True)]
    assert sizes == [256, 225, 240, 240]
    assert sum(sizes) == 31**2
