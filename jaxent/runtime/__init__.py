"""How programs run: the device, memory that is free and needed, compiled programs, LAPACK's threads, and interrupts.

Nothing here knows the physics. Imports nothing of jaxent.
"""
