"""Tables: rows of raw numbers, and how a person reads them."""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass
class Table:
    """What a section has measured.

    Args:
        title: one line.
        columns: by heading, a function from a row to its text.
        rows: dicts of raw numbers, SI units.
        notes: what a reader must know, what was skipped and why.
    """

    title: str
    columns: dict[str, Callable[[dict], str]]
    rows: list[dict]
    notes: list[str]

    def markdown(self):
        """The table as Markdown, ending in a line feed."""
        lines = [f"### {self.title}", ""]
        lines.append(f"| {' | '.join(self.columns)} |")
        lines.append("|---" * len(self.columns) + "|")
        for row in self.rows:
            lines.append(f"| {' | '.join(text(row) for text in self.columns.values())} |")
        if self.notes:
            lines += ["", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines) + "\n"

    def to_json(self):
        """Dict for the JSON file."""
        return {"title": self.title, "rows": self.rows, "notes": self.notes}


def column(key, form="", scale=1.0):
    """Text of `row[key]`, times `scale` in the format `form` if given; a dash where it is none."""

    def text(row):
        value = row.get(key)
        if value is None:
            return "–"
        return format(value * scale, form) if form else str(value)

    return text
