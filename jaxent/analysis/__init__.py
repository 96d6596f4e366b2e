"""Questions about the protocol: magic times, extrema of E(t), the best parameters, and slopes in all of them.

Imports `jaxent.outcomes`, `jaxent.noise`, `jaxent.protocol`, and what these may.
"""
