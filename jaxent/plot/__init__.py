"""Plot results as static figures and as web pages that can be zoomed.

`views` assigns the axes of the results to x, lines and panels, `static` and `html` draw them; `figures` draws the data
of the paper.

Only `jaxent.paper` and `jaxent.cli` import it.
"""
