"""Hold what is worth seeing first, as addresses."""

import fractions

from jaxent.explorer.address import INITIAL, written
from jaxent.explorer.viewport import WHOLE, View

__all__ = ["PRESETS"]

_HALF_PI = fractions.Fraction(1, 4)
_NOISY = INITIAL | {"quantity": "log_negativity", "n_atoms": "20", "dephasing_rate": "0.01"}

PRESETS = {
    "the devil's crevasse": written(INITIAL | {"n_atoms": "10^4"}, WHOLE),
    "floor of π/2": written(INITIAL | {"n_atoms": "10^6"}, View(_HALF_PI, -1e-4, 1e-4)),
    "what noise leaves": written(_NOISY, WHOLE, [_NOISY | {"dephasing_rate": "0.1"}]),
    "ten billion atoms": written(INITIAL | {"n_atoms": "10^10"}, View(_HALF_PI, -1e-5, 1e-5)),
}
