"""Results as pictures: as static figures and as pages that zoom.

`views` decide which axis is drawn along what, `static` and `html` draw it; `figures` draw the paper's data.

A skin: nothing but `jaxent.paper` and `jaxent.cli` imports it.
"""
