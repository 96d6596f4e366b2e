"""The explorer: a local page on which curves are computed at the resolution of what one looks at.

`question` reads and checks the fields, `viewport` says which times are seen, `curve` computes them coarse first,
`point` looks at one time, `export` writes what was seen as Python and as a table, `page` draws it all with Bokeh (its
`fields` and `plots`) and `server` serves it on this machine only.

Bokeh was chosen over marimo, Panel and Dash: it draws the pages of sweeps already, its ranges report every zoom and its
server answers in Python over one connection. Panel would add a layer over the same thing, Dash a second plotting
library of some megabytes, and marimo runs whole cells again where only a curve has changed.
"""

from jaxent.explorer.server import serve

__all__ = ["serve"]
