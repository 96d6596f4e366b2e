"""Turn the notebooks into pages with their saved outputs, without executing them.

They lie beside docs/, where Sphinx does not look: copies of them are put into docs/_notebooks/ before each build.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from myst_parser.parsers.sphinx_ import MystParser

__all__ = ["NotebookParser", "setup", "to_markdown"]

_COPIES = "_notebooks"


class NotebookParser(MystParser):
    """Parse a notebook as a Markdown page."""

    supported = ("notebook",)

    def parse(self, inputstring: str, document) -> None:
        """Parse a notebook's JSON."""
        super().parse(to_markdown(json.loads(inputstring)), document)


def to_markdown(notebook: dict[str, Any]) -> str:
    """Convert a notebook to Markdown: texts unchanged, programs and printed output as code, figures as images."""
    blocks = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            blocks.append(source)
        elif cell["cell_type"] == "code":
            blocks.append(_fenced("python", source))
            blocks += _outputs(cell["outputs"])
    return "\n\n".join(blocks) + "\n"


def _outputs(outputs: list[dict[str, Any]]) -> list[str]:
    blocks, printed = [], ""
    for output in [*outputs, {}]:
        data = output.get("data", {})
        if "text" in output:
            printed += "".join(output["text"])
        elif "text/plain" in data and "image/png" not in data:
            printed += "".join(data["text/plain"]) + "\n"
        if printed and "text" not in output:
            blocks.append(_fenced("text", printed))
            printed = ""
        if "image/png" in data:
            blocks.append(f"![figure](data:image/png;base64,{''.join(''.join(data['image/png']).split())})")
    return blocks


def _fenced(language: str, text: str) -> str:
    return f"~~~~{language}\n{text.rstrip()}\n~~~~"


def _copy(app) -> None:
    """Copy what has changed, and drop what is gone."""
    copies = Path(app.srcdir) / _COPIES
    copies.mkdir(exist_ok=True)
    originals = {path.name: path for path in sorted((Path(app.srcdir).parent / "notebooks").glob("*.ipynb"))}
    for copy in copies.glob("*.ipynb"):
        if copy.name not in originals:
            copy.unlink()
    for name, original in originals.items():
        copy = copies / name
        if not copy.exists() or copy.read_bytes() != original.read_bytes():
            shutil.copyfile(original, copy)


def setup(app) -> dict[str, bool]:
    """Register notebooks as sources."""
    app.add_source_suffix(".ipynb", "notebook")
    app.add_source_parser(NotebookParser)
    app.connect("builder-inited", _copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
