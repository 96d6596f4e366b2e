"""How Sphinx builds these pages: `make docs`, without a network, every warning an error."""

import importlib.metadata
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

project = "jaxent"
author = "The jaxent developers"
release = version = importlib.metadata.version("jaxent")
html_title = f"jaxent {release}"

extensions = [
    "cyclopts.sphinx_ext",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "code_links",
    "docstrings",
    "notebooks",
    "svg_math",
]
exclude_patterns = ["_build", "_extensions"]
nitpicky = True
nitpick_ignore = [("py:exc", name) for name in ("OSError", "ValueError")]

# pages in Markdown: dollars for math, anchors for headings
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# the reference, from docstrings in Google's convention; shapes and units stand in the text
autodoc_typehints = "none"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autosummary_generate = False
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style")]  # a list like that of arguments
add_module_names = False
add_function_parentheses = False

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["jaxent.css"]
html_math_renderer = "svg"
html_show_sourcelink = html_copy_source = False
html_show_sphinx = html_show_copyright = False
pygments_style = "friendly"
pygments_dark_style = "native"
