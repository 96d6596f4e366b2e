"""Draw formulas as SVG at build time, so that pages need no script, font or network and look alike in every browser.

The drawings have the colour of the text around them; their TeX is the label for screen readers.
"""

import functools
import xml.etree.ElementTree

import ziamath
from docutils import nodes
from sphinx.errors import SphinxError
from ziamath.tex import tex2mml

__all__ = ["setup"]

_INLINE_SIZE, _BLOCK_SIZE = 16, 18  # pixels
_TALLEST = 10.0  # em; stretched parentheses in aligned lines have been drawn far too tall


@functools.cache
def drawing(tex: str, inline: bool) -> str:
    """Draw a formula as an SVG element."""
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
    """Write a formula within the text."""
    translator.body.append(f'<span class="math">{drawing(node.astext(), True)}</span>')
    raise nodes.SkipNode


def visit_block(translator, node: nodes.math_block) -> None:
    """Write a formula in its own block, which can be scrolled on a narrow page."""
    translator.body.append(f'<div class="math" tabindex="0">{drawing(node.astext(), False)}</div>\n')
    raise nodes.SkipNode


def setup(app) -> dict[str, bool]:
    """Register the renderer."""
    ziamath.config.math.color = "currentColor"
    app.add_html_math_renderer("svg", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
