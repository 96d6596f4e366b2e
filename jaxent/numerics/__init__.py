"""Numbers that JAX does not have: exact angles, binomials, small decompositions, rounding by device.

Imports `jaxent.runtime` and `jaxent.times`.
"""
