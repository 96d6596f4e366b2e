"""Convert docstrings, which are plain text with a few conventions, to reStructuredText.

`Names` in single backticks become code, and so do public names that are returned; indented equations become literal
blocks; signs that physics is written with (|k⟩, S_-, (D,)*M) lose the meaning that they would have in markup.
"""

import re

from code_links import targets

__all__ = ["as_markup", "setup"]

_SECTION = re.compile(r"(Args|Attributes|Example|References|Returns|Raises):")
_CODE = re.compile(r"(`[^`]+`)")
_INITIAL = re.compile(r"(\s*(?:\w+: )?)([A-Za-z]\.(?:\s|$))")  # of an author, or a symbol: not the first item of a list
_TYPE = re.compile(r"    (\w+)(?=[:,.])")


def as_markup(lines: list[str]) -> list[str]:
    """Convert the lines of a docstring to reStructuredText."""
    result, in_block, in_program, section = [], False, False, ""
    for index, line in enumerate(lines):
        indented, after_blank = line.startswith("    "), index > 0 and not lines[index - 1].strip()
        in_program = line.lstrip().startswith(">>>") or (in_program and bool(line.strip()))
        if line.strip() and not indented:
            found = _SECTION.fullmatch(line.rstrip())
            section, in_block = found[1] if found else "", False
        if section == "Returns" and (named := _TYPE.match(line)) and named[1] in targets():
            line = f"    `{named[1]}`{line[named.end() :]}"
        if indented and after_blank and not section and not in_block:
            in_block = True
            result += [".. code-block:: text", ""]
        result.append(line if in_program or in_block else _escaped(line))
    return result


def _escaped(line: str) -> str:
    pieces = _CODE.split(_INITIAL.sub(r"\1\\\2", line, count=1) if _INITIAL.match(line) else line)
    pieces[1::2] = [f"`{code}`" for code in pieces[1::2]]
    pieces[::2] = [re.sub(r"([*|]|_(?!\w))", r"\\\1", text) for text in pieces[::2]]
    return "".join(pieces)


def _process(app, what, name, thing, options, lines) -> None:
    lines[:] = as_markup(lines)


def _skip_fields(app, what, name, thing, skip, options) -> bool | None:
    """Skip the fields of named tuples, which the docstring of the class describes."""
    return True if type(thing).__name__ == "_tuplegetter" else None


def setup(app) -> dict[str, bool]:
    """Register the conversion, which must run before napoleon."""
    app.connect("autodoc-process-docstring", _process, priority=400)
    app.connect("autodoc-skip-member", _skip_fields)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
