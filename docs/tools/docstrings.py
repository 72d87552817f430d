"""Extension of Griffe: the examples in docstrings become blocks of code."""

import inspect
import re

import griffe

_EXAMPLE = re.compile(r"^>>> .*(?:\n(?!\s*$).*)*", re.MULTILINE)


class Examples(griffe.Extension):
    """Fences the paragraphs that begin with `>>>`, which Markdown takes for quotations."""

    def on_instance(self, *, obj, **_):
        """Changes the docstring of one object."""
        if obj.docstring:
            text = inspect.cleandoc(obj.docstring.value)
            obj.docstring.value = _EXAMPLE.sub(lambda m: f"```pycon\n{m[0]}\n```", text)
