"""A page of text, tables and pictures: as Markdown, and as one HTML file that needs no other."""

from __future__ import annotations

import base64
import html
from typing import NamedTuple

from spherical_cnn.data.atomic import readable

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em;
       color: #1c1c1c; background: #fff }
h1, h2 { line-height: 1.2 } h2 { margin-top: 2em; border-bottom: 1px solid #ddd }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .2em .7em; border-bottom: 1px solid #e4e4e4; text-align: right }
th:first-child, td:first-child { text-align: left }
div { overflow-x: auto } img { max-width: 100%; height: auto }
pre { background: #f5f5f5; padding: .8em; overflow-x: auto }
"""


class _Block(NamedTuple):
    """One part of a page, in both forms."""

    markdown: str
    html: str


class Page:
    """A page, put together part by part.

    Args:
        title: its first heading.
    """

    def __init__(self, title):
        self._title = title
        self._blocks = [_Block(f"# {title}", f"<h1>{html.escape(title)}</h1>")]

    def heading(self, text):
        """A heading of the second rank."""
        self._add(f"## {text}", f"<h2>{html.escape(text)}</h2>")

    def text(self, text):
        """A paragraph."""
        self._add(text, f"<p>{html.escape(text)}</p>")

    def link(self, text, address):
        """A paragraph that is a link, by a path relative to the page."""
        self._add(
            f"[{text}]({address})",
            f'<p><a href="{html.escape(address)}">{html.escape(text)}</a></p>',
        )

    def table(self, header, rows):
        """A table of text cells; the first column is to the left."""
        cells = [f"<th>{html.escape(cell)}</th>" for cell in header]
        body = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
        lines = "\n".join(f"<tr>{row}</tr>" for row in ("".join(cells), *body))
        self._add("\n".join(table_lines(header, rows)), f"<div><table>\n{lines}\n</table></div>")

    def picture(self, name, path, png):
        """A picture: by its path in Markdown, by its bytes in HTML."""
        data = base64.b64encode(png).decode()
        self._add(
            f"![{name}]({path})",
            f'<p><img alt="{html.escape(name)}" src="data:image/png;base64,{data}"></p>',
        )

    def code(self, lines):
        """Lines as they are."""
        text = "\n".join(lines)
        self._add(f"```\n{text}\n```", f"<pre>{html.escape(text)}</pre>")

    def markdown(self):
        """The page as Markdown."""
        return readable("\n\n".join(block.markdown for block in self._blocks)) + "\n"

    def html(self):
        """The page as HTML, pictures within."""
        title = html.escape(self._title)
        head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        body = "\n".join(block.html for block in self._blocks)
        page = f'<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>'
        return f"<!DOCTYPE html>\n{readable(page)}\n"

    def _add(self, markdown, text):
        self._blocks.append(_Block(markdown, text))


def table_lines(header, rows):
    """A table as lines of Markdown; the first column is to the left, the others to the right."""
    return [
        f"| {' | '.join(header)} |",
        f"|---|{'---:|' * (len(header) - 1)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
