"""Extension of Griffe: what it does not see in our sources, and docstrings as in Keras."""

import ast
import inspect
import re
import textwrap

import griffe

_EXAMPLE = re.compile(r"^>>> .*(?:\n(?!\s*$).*)*", re.MULTILINE)
_SECTION = re.compile(
    r"^(Call arguments|Input shape|Output shape|Returns|Yields):\n((?:(?: .*)?\n)*(?: .*)?)",
    re.MULTILINE,
)
_ARGUMENT = re.compile(r"^(\w+): ", re.MULTILINE)


def _section(match):
    """A section as a paragraph, or as a list of arguments."""
    text = textwrap.dedent(match[2])
    if match[1] == "Call arguments":
        text = _ARGUMENT.sub(r"- **`\1`** – ", text)
    return f"**{match[1]}:**\n\n{text}"


class Docstrings(griffe.Extension):
    """Changes objects before their pages are written."""

    def on_instance(self, *, obj, **_):
        """Writes sections without names as paragraphs, and fences examples."""
        if obj.docstring:
            text = inspect.cleandoc(obj.docstring.value)
            text = _SECTION.sub(_section, text)
            obj.docstring.value = _EXAMPLE.sub(lambda match: f"```pycon\n{match[0]}\n```", text)

    def on_class_members(self, *, cls, **_):
        """Reads the fields that `option` declares, and makes the tables of grids properties."""
        arguments = []
        for name, member in list(cls.members.items()):
            call = getattr(member, "value", None)
            if isinstance(call, griffe.ExprCall) and str(call.function) == "option":
                member.value, _, text, *_ = call.arguments
                text = ast.literal_eval(str(text)).replace("*", r"\*")
                arguments.append(f"    {name}: {text}")
            decorators = {str(d.value) for d in getattr(member, "decorators", ())}
            if decorators & {"_samples", "_table"}:
                attribute = griffe.Attribute(name, docstring=member.docstring, parent=cls)
                attribute.labels.add("property")
                cls.set_member(name, attribute)
        if arguments:
            cls.docstring.value += "\n\n" + "\n".join(["Args:", *arguments])
