"""A report of text, tables and pictures as one self-contained HTML file."""

from __future__ import annotations

import base64
import html

from spherical_cnn.data.atomic import printable

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


class Page:
    """A page, built from top to bottom; the title is its first heading."""

    def __init__(self, title):
        self._title = html.escape(title)
        self._blocks = [f"<h1>{self._title}</h1>"]

    def heading(self, text):
        """Adds a heading of the second level."""
        self._blocks.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text):
        """Adds a paragraph."""
        self._blocks.append(f"<p>{html.escape(text)}</p>")

    def link(self, text, address):
        """Adds a paragraph that links to a path relative to the page."""
        self._blocks.append(f'<p><a href="{html.escape(address)}">{html.escape(text)}</a></p>')

    def table(self, header, rows):
        """Adds a table of text cells; the first column is left-aligned."""
        cells = [f"<th>{html.escape(cell)}</th>" for cell in header]
        body = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
        lines = "\n".join(f"<tr>{row}</tr>" for row in ("".join(cells), *body))
        self._blocks.append(f"<div><table>\n{lines}\n</table></div>")

    def picture(self, name, png):
        """Adds a picture, embedded."""
        data = base64.b64encode(png).decode()
        self._blocks.append(
            f'<p><img alt="{html.escape(name)}" src="data:image/png;base64,{data}"></p>'
        )

    def code(self, lines):
        """Adds preformatted lines."""
        self._blocks.append(f"<pre>{html.escape(chr(10).join(lines))}</pre>")

    def html(self):
        """Returns the page as HTML."""
        head = f'<meta charset="utf-8"><title>{self._title}</title><style>{_STYLE}</style>'
        body = "\n".join(self._blocks)
        page = f'<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>'
        return f"<!DOCTYPE html>\n{printable(page)}\n"


def table_lines(header, rows):
    """Returns a table as lines of Markdown; all columns but the first are right-aligned."""
    return [
        f"| {' | '.join(header)} |",
        f"|---|{'---:|' * (len(header) - 1)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
