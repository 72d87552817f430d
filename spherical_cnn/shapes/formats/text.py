"""Text of shape files: byte-order marks, line ends, comments and numbers."""

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


def decode_text(data):
    """Removes the byte-order mark and converts UTF-16 and UTF-32 to UTF-8; returns bytes."""
    for mark, codec in _MARKS.items():
        if data.startswith(mark):
            return data.decode(codec, "replace").encode()
    zeros = [not any(data[first:16:2]) for first in (0, 1)]
    if len(data) >= 16 and zeros[0] != zeros[1]:  # UTF-16 without a mark
        return data.decode("utf-16-be" if zeros[0] else "utf-16-le", "replace").encode()
    return data.removeprefix(codecs.BOM_UTF8)


def normalize_text(data, comment=None):
    """Decodes text, ends its lines with LF and removes comments, which begin with `comment`."""
    text = decode_text(data)
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if comment and comment in text:
        text = re.sub(comment + rb"[^\n]*", b"", text)
    return text


def parse_numbers(text, dtype=np.float64):
    """Returns all numbers of a text, or `None` if the text holds anything else."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy warns about other text and returns what precedes it
        try:
            return np.fromstring(text, dtype, sep=" ")
        except (DeprecationWarning, ValueError):
            return None


def parse_leading_numbers(text):
    """Returns the float64 numbers at the start of a text and the first other word, or `None`."""
    found = parse_numbers(text)
    if found is not None:
        return found, None
    values = []
    for word in text.split():
        try:
            values.append(float(word))
        except ValueError:
            return np.array(values), word
    return np.array(values), None


def parse_float(word):
    """Returns the number in a word; raises `ShapeError` if there is none."""
    try:
        return float(word)
    except ValueError:
        raise ShapeError(f"found {quote_word(word)}, expected a number") from None


def parse_int(word):
    """Returns the 64-bit integer in a word; raises `ShapeError` if there is none."""
    try:
        value = int(word)
    except ValueError:
        value = 2**63
    if abs(value) >= 2**63:
        raise ShapeError(f"found {quote_word(word)}, expected the number of a vertex")
    return value


def quote_word(word):
    """Returns the first 40 bytes of a word in quotes, with advice about a decimal comma."""
    text = repr(word[:40].decode("utf-8", "backslashreplace")) + "…" * (len(word) > 40)
    decimal = re.fullmatch(rb"[-+]?\d*,\d+(?:[eE][-+]?\d+)?", word)
    return f"{text} (a decimal comma; write a point)" if decimal else text
