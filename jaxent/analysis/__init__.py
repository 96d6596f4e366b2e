"""Analyze the protocol: magic times, extrema of E(t), the best parameters, and derivatives in all of them.

Imports `jaxent.outcomes`, `jaxent.noise`, `jaxent.protocol`, and the modules that these may import.
"""
