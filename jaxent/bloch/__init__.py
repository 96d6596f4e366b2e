"""Compute the log negativity of three dephasing ensembles at any number of atoms.

Dephasing makes coherences short, so in u = k_1 - k_3 and v = k_1 + k_3 the partial transpose is translation invariant
in v, up to a slow envelope: a band matrix over u for each Bloch phase θ (`symbol`, from the kernel's coefficients in
`kernel`). Its trace norm comes from log-determinants (`long_chain`), or at magic times from r × r blocks with a second
Bloch phase (`torus`). `envelope` has the correction of order 1/N, `plan` chooses shapes and bounds errors beforehand,
`engine` evaluates.

Imports `jaxent.band`, and the modules that it may import.
"""

from jaxent.bloch.engine import Found, Slopes, answer, traceable
from jaxent.bloch.plan import Question

__all__ = ["Found", "Question", "Slopes", "answer", "traceable"]
