"""Sample the outcomes of the inner ensembles, average over all outcomes, and decode.

Imports `jaxent.noise` and `jaxent.protocol`, and the modules that these may import.
"""
