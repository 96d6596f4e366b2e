"""Run the explorer: a local web page that computes curves at the resolution of the view.

`reading` checks the fields and makes a `question` of them, `viewport` holds the range of times in view, `curve`
computes the curve coarse first, `point` computes the state at one time, `export` writes a curve as Python lines and as
a table, `page` draws everything with Bokeh (with `fields` and `plots`) and `server` serves it on this machine only.

Bokeh was chosen over marimo, Panel and Dash: it already draws the pages of sweeps, its ranges report every zoom and its
server answers in Python over one connection. Panel would add a layer over Bokeh, Dash a second plotting library of some
megabytes, and marimo would run whole cells again when only a curve has changed.
"""

from jaxent.explorer.server import serve

__all__ = ["serve"]
