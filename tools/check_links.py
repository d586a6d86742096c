"""Finds dead internal links and assets from other hosts in the built documentation, and dead links in Markdown files.

    python -m tools.check_links build/site README.md docs/tying.md

Links to other hosts are not followed. The exit status is 1 if anything was found.
"""

import argparse
import functools
import html.parser
import pathlib
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

EXTERNAL = re.compile(r"(https?:)?//", re.IGNORECASE)
OTHER_SCHEME = re.compile(r"(data|mailto|javascript):", re.IGNORECASE)
STYLE_URL = re.compile(r"""(?:url\(\s*|@import\s+)["']?([^"')\s;]+)""")
MARKDOWN_LINK = re.compile(r"\]\(([^)\s]+)\)")
MARKDOWN_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
MARKDOWN_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


class Link(NamedTuple):
    """A link in a file: its target, and whether the browser loads the target together with the page."""

    target: str
    asset: bool


class Page(html.parser.HTMLParser):
    """An HTML page's links and the anchors that links can point to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[Link] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser."""
        values = {name: value for name, value in attrs if value is not None}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if "href" in values:
            loaded = tag == "link" and values.get("rel") not in ("canonical", "prev", "next", "alternate")
            self.links.append(Link(values["href"], loaded))
        if "src" in values:
            self.links.append(Link(values["src"], True))


@functools.cache
def anchors(path: pathlib.Path) -> set[str]:
    """The anchors of an HTML page or of a Markdown file's headings."""
    text = path.read_text()
    if path.suffix == ".html":
        return Page(text).anchors
    titles = MARKDOWN_HEADING.findall(MARKDOWN_CODE.sub(lambda match: match[0].strip("`").split("\n")[0], text))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(path: pathlib.Path) -> list[Link]:
    """The links in an HTML page, a style sheet or a Markdown file."""
    text = path.read_text()
    if path.suffix == ".html":
        return Page(text).links
    if path.suffix == ".css":
        return [Link(target, True) for target in STYLE_URL.findall(text)]
    return [Link(target, False) for target in MARKDOWN_LINK.findall(MARKDOWN_CODE.sub("", text))]


def problems(path: pathlib.Path, root: pathlib.Path) -> Iterator[str]:
    """A line for each dead internal link of a file, and for each asset that it loads from another host.

    Args:
      path: the file.
      root: the folder that a link with a leading slash starts from.
    """
    for target, asset in links(path):
        if EXTERNAL.match(target):
            if asset:
                yield f"{path}: loads {target} from another host"
            continue
        if OTHER_SCHEME.match(target):
            continue
        parts = urlsplit(target)
        start = root if parts.path.startswith("/") else path.parent
        file = start / unquote(parts.path).lstrip("/") if parts.path else path
        if path.suffix == ".html" and file.is_dir():
            file /= "index.html"
        if not file.exists():
            yield f"{path}: dead link {target}"
        elif parts.fragment and file.suffix in (".html", ".md") and unquote(parts.fragment) not in anchors(file):
            yield f"{path}: no such anchor: {target}"


def main() -> None:
    """Prints the problems and how many files and links were checked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=pathlib.Path, help="folders of a built site, and Markdown files")
    files: dict[pathlib.Path, pathlib.Path] = {}
    for path in parser.parse_args().paths:
        pages = sorted([*path.rglob("*.html"), *path.rglob("*.css")]) if path.is_dir() else [path]
        files |= dict.fromkeys(pages, path if path.is_dir() else pathlib.Path())
    found = [problem for file, root in files.items() for problem in problems(file, root)]
    for problem in found:
        print(problem, file=sys.stderr)
    print(f"{len(files)} files, {sum(len(links(file)) for file in files)} links, {len(found)} problems")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
