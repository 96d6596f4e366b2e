"""Run programs: free and needed memory, batches, compiled programs, LAPACK threads, and interrupts.

These modules contain no physics, and import nothing else of jaxent.
"""
