"""Check built pages: every local link and anchor has a target, and nothing is loaded from a network.

python docs/check_links.py docs/_build/html
"""

import functools
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"audio", "embed", "iframe", "img", "input", "link", "script", "source", "track", "video"}
IN_STYLE = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


class Page(HTMLParser):
    """Collect the anchors of a page, and its links, each with a flag whether the browser loads it unasked."""

    def __init__(self, text: str):
        super().__init__()
        self.anchors, self.links = set(), []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Collect the anchors and links of one element."""
        found = dict(attributes)
        self.anchors |= {found[name] for name in ("id", "name") if found.get(name)}
        leads = tag == "link" and not {"stylesheet", "icon", "preload"} & set((found.get("rel") or "").split())
        for name in ("href", "src", "poster", "data"):
            if found.get(name):
                self.links.append((found[name], tag in LOADED and not leads))
        self.links += [(address, True) for address in addresses_in_style(found.get("style") or "")]


def addresses_in_style(text: str) -> list[str]:
    """List the addresses that a style sheet loads."""
    return [one or other for one, other in IN_STYLE.findall(text)]


@functools.cache
def page_of(path: Path) -> Page:
    """Read a page, once."""
    return Page(path.read_text(encoding="utf-8"))


def broken(folder: Path) -> list[str]:
    """List the broken links of the pages and style sheets of a folder, one line each."""
    wrong = []
    for path in sorted(folder.rglob("*.html")):
        wrong += [f"{path.relative_to(folder)}: {reason}" for reason in _broken_links(path, page_of(path).links)]
    for path in sorted(folder.rglob("*.css")):
        links = [(address, True) for address in addresses_in_style(path.read_text(encoding="utf-8"))]
        wrong += [f"{path.relative_to(folder)}: {reason}" for reason in _broken_links(path, links)]
    return wrong


def _broken_links(path: Path, links: list[tuple[str, bool]]) -> list[str]:
    wrong = []
    for link, is_loaded in links:
        parts = urlsplit(link)
        if parts.scheme == "data":
            continue
        if parts.scheme or parts.netloc:
            wrong += [f"{link} is loaded from a network"] if is_loaded else []
            continue
        target = (path.parent / unquote(parts.path)) if parts.path else path
        if not target.is_file():
            wrong.append(f"{link} leads to no file")
        elif parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in page_of(target).anchors:
            wrong.append(f"{link} leads to no anchor")
    return wrong


if __name__ == "__main__":
    built = Path(sys.argv[1])
    if not (built / "index.html").is_file():
        sys.exit(f"{built} holds no pages")
    found = broken(built)
    print("\n".join(found) or f"all links of {sum(1 for _ in built.rglob('*.html'))} pages lead somewhere")
    sys.exit(bool(found))
