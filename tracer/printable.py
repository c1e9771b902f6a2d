"""Names and texts of others as they may be shown to people: nothing in them moves a cursor, turns or ends a line."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""A text in which everything that is no visible character or blank is escaped, line ends and bidi marks too.

    >>> printable("dense/kernel:0"), printable("a\x1b[2Jb\nc\u202ed")
    ('dense/kernel:0', 'a\\x1b[2Jb\\nc\\u202ed')
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printable_lines(text: str) -> str:
    """The same for a text of several lines, which stay lines."""
    return "\n".join(map(printable, text.split("\n")))
