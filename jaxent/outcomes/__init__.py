"""What the measurements of the inner ensembles give: samples, averages over all outcomes, and decoding.

Imports `jaxent.noise` and `jaxent.protocol`, and what these may.
"""
