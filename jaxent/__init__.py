"""jaxent: entanglement distributed along chains of atomic ensembles, computed with JAX.

The public names are listed in `__init__.pyi` beside this file. Each is imported when it is first used, so that `import
jaxent` and `jaxent --help` wait for nothing that they do not need.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
