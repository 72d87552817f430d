"""Text of files as programs and people write it: any line ends, byte-order marks, remarks."""

from __future__ import annotations

import codecs
import re
import warnings

import numpy as np

from spherical_cnn.errors import ShapeError

# The marks of UTF-32 begin with those of UTF-16, so they come first.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def decoded(data):
    """Bytes without byte-order mark; UTF-16 and UTF-32 become UTF-8, other encodings stay."""
    for mark, codec in _MARKS.items():
        if data.startswith(mark):
            return data.decode(codec, "replace").encode()
    zeros = [not any(data[first:16:2]) for first in (0, 1)]
    if len(data) >= 16 and zeros[0] != zeros[1]:  # UTF-16 without a mark
        return data.decode("utf-16-be" if zeros[0] else "utf-16-le", "replace").encode()
    return data.removeprefix(codecs.BOM_UTF8)


def plain(data, remark=None):
    """`decoded`, with lines that end in LF.

    Args:
        data: bytes.
        remark: the character that starts a remark, which ends with its line; remarks are removed.
    """
    text = decoded(data)
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if remark and remark in text:
        text = re.sub(re.escape(remark) + rb"[^\n]*", b"", text)
    return text


def numbers(text, dtype=np.float64):
    """All numbers of a text, `None` if it holds anything else."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy warns of other text, and returns what precedes it
        try:
            return np.fromstring(text, dtype, sep=" ")
        except (DeprecationWarning, ValueError):
            return None


def leading_numbers(text):
    """The numbers at the start of a text, float64, and the word that ends them, `None` if none."""
    found = numbers(text)
    if found is not None:
        return found, None
    values = []
    for word in text.split():
        try:
            values.append(float(word))
        except ValueError:
            return np.array(values), word
    return np.array(values), None


def to_float(word):
    """The number that a word stands for.

    Raises:
        ShapeError: if there is none.
    """
    try:
        return float(word)
    except ValueError:
        raise ShapeError(f"found {shown(word)}, expected a number") from None


def to_int(word):
    """As `to_float`, a whole number of 64 bits."""
    try:
        value = int(word)
    except ValueError:
        value = 2**63
    if abs(value) >= 2**63:
        raise ShapeError(f"found {shown(word)}, expected the number of a vertex")
    return value


def shown(word):
    """A word of a file for a message; what is wrong with it, where that is known."""
    text = repr(word[:40].decode("utf-8", "backslashreplace"))
    decimal = re.fullmatch(rb"[-+]?\d*,\d+(?:[eE][-+]?\d+)?", word)
    return f"{text} (a decimal comma; write a point)" if decimal else text
