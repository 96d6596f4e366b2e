"""How programs run: the device, free and needed memory, compiled programs, LAPACK's threads, and interrupts.

Knows nothing of the physics, and imports nothing of jaxent.
"""
