"""A report of text, tables and pictures as one self-contained HTML file."""

from __future__ import annotations

import base64
import html

from spherical_cnn.data.atomic import printable

_STYLE = """
:root { color-scheme: light dark; --paper: #f6f6f4; --card: #fff; --ink: #1d1f23; --soft: #62666d;
        --line: #dfdfdb; --accent: #b35806 }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15171a; --card: #1f2226; --ink: #e9e9e6; --soft: #a2a6ad; --line: #363a40;
          --accent: #f0a04b }
}
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; max-width: 1120px;
       margin: 1.5rem auto 3rem; padding: 0 1.4rem; color: var(--ink); background: var(--paper) }
h1, h2, h3 { line-height: 1.2; overflow-wrap: anywhere }
h1 { margin: 0 0 .6rem; font-size: 1.7rem } h2 { margin: 2.2rem 0 .6rem; font-size: 1.2rem }
p { margin: .5rem 0; max-width: 75ch } a { color: var(--accent) }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .2em .8em; border-bottom: 1px solid var(--line); text-align: right }
th { color: var(--soft); font-weight: 600 }
th:first-child, td:first-child { text-align: left }
.wide { overflow-x: auto } img { max-width: 100%; height: auto; vertical-align: top }
figure { margin: 0; padding: .8rem; background: var(--card); border: 1px solid var(--line);
         border-radius: 12px; min-width: 0 }
figcaption { font-size: .85rem; color: var(--soft); overflow-wrap: anywhere }
figcaption b { color: var(--ink); display: block; font-size: .95rem }
.plot img { background: #fff; border-radius: 6px; display: block; margin: 0 auto .4rem }
.row.plot, .row.tile {
  grid-template-columns: repeat(auto-fit, minmax(min(var(--least), 100%), 1fr)) }
.row { display: grid; gap: .8rem; margin: .8rem 0;
       grid-template-columns: repeat(auto-fill, minmax(min(var(--least), 100%), 1fr)) }
.tile b { font-size: 1.5rem; line-height: 1.3 }
details { margin: .8rem 0 } summary { cursor: pointer; color: var(--accent) }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: .8em;
      overflow-x: auto; font-size: .85rem }
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
        self._blocks.append(f"<div class=wide><table>\n{lines}\n</table></div>")

    def picture(self, name, png):
        """Adds a picture, embedded."""
        self._blocks.append(f"<p class=plot>{_image(name, png)}</p>")

    def plots(self, plots):
        """Adds pictures side by side, where there is room: `(caption, png)` each."""
        self._row(
            "460px",
            [f"{_image(text, png)}<figcaption>{html.escape(text)}" for text, png in plots],
            "plot",
        )

    def cards(self, cards):
        """Adds small pictures side by side, `(title, text, png)` each."""
        self._row(
            "330px",
            [
                f"{_image(title, png)}<figcaption><b>{html.escape(title)}</b>{html.escape(text)}"
                for title, text, png in cards
            ],
        )

    def tiles(self, figures):
        """Adds figures in large type, `(value, meaning)` each."""
        self._row(
            "160px",
            [
                f"<figcaption><b>{html.escape(value)}</b>{html.escape(text)}"
                for value, text in figures
            ],
            "tile",
        )

    def _row(self, least, contents, kind="card"):
        inside = "\n".join(f"<figure>{one}</figcaption></figure>" for one in contents)
        self._blocks.append(f'<div class="row {kind}" style="--least: {least}">\n{inside}\n</div>')

    def folded(self, title):
        """Folds the last part away behind a title; a click unfolds it."""
        self._blocks[-1] = (
            f"<details><summary>{html.escape(title)}</summary>{self._blocks[-1]}</details>"
        )

    def code(self, lines):
        """Adds preformatted lines."""
        self._blocks.append(f"<pre>{html.escape(chr(10).join(lines))}</pre>")

    def html(self):
        """Returns the page as HTML."""
        head = (
            '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>{self._title}</title><style>{_STYLE}</style>"
        )
        body = "\n".join(self._blocks)
        page = f'<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>'
        return f"<!DOCTYPE html>\n{printable(page)}\n"


def _image(name, png):
    data = base64.b64encode(png).decode()
    return f'<img alt="{html.escape(name)}" src="data:image/png;base64,{data}">'


def table_lines(header, rows):
    """Returns a table as lines of Markdown; all columns but the first are right-aligned."""
    return [
        f"| {' | '.join(header)} |",
        f"|---|{'---:|' * (len(header) - 1)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
