"""Formulas as SVG, made at build time: no script, no font and no network when a page is read, alike in every browser.

The drawings take the colour of the text around them; what they say in TeX is their label for screen readers.
"""

import functools
import xml.etree.ElementTree

import ziamath
from docutils import nodes
from sphinx.errors import SphinxError
from ziamath.tex import tex2mml

__all__ = ["setup"]

_INLINE_SIZE, _BLOCK_SIZE = 16, 18  # pixels
_TALLEST = 10.0  # em; parentheses that stretch inside of aligned lines have been drawn out of all proportion


@functools.cache
def drawing(tex: str, inline: bool) -> str:
    """The SVG element of a formula."""
    unknown = [word for word in tex2mml(tex).replace("<", " <").split() if "\\" in word]
    if unknown:
        raise SphinxError(f"the formula {tex!r} has what cannot be drawn: {' '.join(unknown)}")
    size = _INLINE_SIZE if inline else _BLOCK_SIZE
    formula = ziamath.Latex(tex, size=size, inline=inline)
    svg = formula.svgxml()
    if float(svg.get("height", "inf")) > _TALLEST * size:
        raise SphinxError(f"the formula {tex!r} is drawn too tall; write it with plain parentheses")
    for name in ("width", "height"):
        svg.set(name, f"{float(svg.get(name, '0')) / size:.4g}em")
    svg.set("role", "img")
    svg.set("aria-label", tex)
    svg.set("style", f"vertical-align: {formula.getyofst() / size:.4g}em")
    return xml.etree.ElementTree.tostring(svg, encoding="unicode")


def visit_inline(translator, node: nodes.math) -> None:
    """A formula in the text."""
    translator.body.append(f'<span class="math">{drawing(node.astext(), True)}</span>')
    raise nodes.SkipNode


def visit_block(translator, node: nodes.math_block) -> None:
    """A formula by itself, which may be scrolled where the page is narrow."""
    translator.body.append(f'<div class="math" tabindex="0">{drawing(node.astext(), False)}</div>\n')
    raise nodes.SkipNode


def setup(app) -> dict[str, bool]:
    """Register the renderer."""
    ziamath.config.math.color = "currentColor"
    app.add_html_math_renderer("svg", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
