"""How a table in a text file is written, told by its first rows: encoding, separator, decimal sign, header; pure."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

SAMPLE: Final = 200  # rows that it is told by
SEPARATORS: Final = ",;\t|"
PARTS: Final = re.compile(  # a date as people write it: day and month, or month and day
    r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})"
    r"(?:,?[ T]+(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?(?:\s*([AaPp])\.?[Mm]\.?)?)?"
)
COMMA: Final = re.compile(r"[-+]?\d{1,3}([.' \u00a0\u202f\u2019]\d{3})*(,\d+)?|[-+]?\d*,\d+")


class Form(NamedTuple):
    """How a text file is written; what is empty is guessed."""

    separator: str = ""
    decimal: str = ""
    has_header: bool = True


def encoding_of(raw: bytes) -> str:
    r"""UTF-8, UTF-16 where a mark says so, else Windows-1252 as spreadsheets write it; "" for what is no text.

    >>> encoding_of("K\u00f6ln".encode("cp1252")), encoding_of(b"a,b"), encoding_of(b"PK\x03\x04\xff")
    ('cp1252', 'utf-8-sig', '')
    """
    is_wide = raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    try:
        raw[: len(raw) - is_wide * len(raw) % 2].decode("utf-16" if is_wide else "utf-8-sig")  # cut within a character
    except UnicodeDecodeError:
        return "" if is_wide or b"\0" in raw or raw[:2] == b"PK" else "cp1252"
    return "utf-16" if is_wide else "utf-8-sig"


def separator_of(lines: Sequence[str]) -> str:
    """The sign that splits every line into the same number of cells, more than one; the most cells win.

    >>> separator_of(["a;b", "1,5;2,5"]), separator_of(["a,b", "1,2"]), separator_of(["a", "1"])
    (';', ',', ',')
    """
    best = (1, ",")
    for sign in SEPARATORS:
        try:
            counts = {len(row) for row in csv.reader(lines, delimiter=sign) if row}
        except csv.Error:
            continue  # told with its line when the rows are read
        if len(counts) == 1 and (size := counts.pop()) > best[0] and not (sign == "," and best[1] == ";"):
            best = (size, sign)
    return ";" if best[1] == "," and all(";" in line for line in lines if line) else best[1]


def decimal_of(cells: Iterable[Any]) -> str:
    """Comma, where every number that has a comma is written so and none has a point that a comma does not follow.

    >>> decimal_of(["1,5", "1.200,5"]), decimal_of(["1,234.5"]), decimal_of(["a, b"])
    (',', '.', '.')
    """
    texts = [cell.strip() for cell in cells if isinstance(cell, str) and cell.strip()]
    with_comma = [text for text in texts if "," in text]
    return "," if with_comma and all(COMMA.fullmatch(text) for text in with_comma) and not any(
        "." in text and "," not in text for text in texts
    ) else "."  # fmt: skip


def is_row(cells: Sequence[str]) -> bool:
    """Whether a first line holds values, not names."""
    return all(is_number(cell) or is_time(cell) for cell in cells if cell.strip()) and any(map(str.strip, cells))


def is_number(text: Any) -> bool:
    """Whether this is a number such as seconds since 1970, not a date written as eight digits."""
    if isinstance(text, (int, float)):
        return True
    plain = str(text).strip().removeprefix("-")
    return plain.replace(".", "", 1).isdigit() and len(plain.split(".")[0]) != 8


def is_time(text: str) -> bool:
    """Whether this is a date, with or without a time."""
    if PARTS.fullmatch(text.strip()):
        return True
    try:
        datetime.fromisoformat(text.strip())
    except ValueError:
        return False
    return True


def is_day_first(dates: Iterable[re.Match[str]]) -> bool:
    """Whether dates (of `PARTS`) begin with the day: they are written with points, or one has a first part above 12."""
    return any(found[2] == "." or int(found[1]) > 12 for found in dates)


def said(separator: str, decimal: str, encoding: str) -> list[str]:
    """What is unusual about a file and was guessed, in words."""
    notes = ["the text is no UTF-8 and is read as Windows-1252"] if encoding == "cp1252" else []
    notes += [] if separator == "," else [f"columns are separated by {separator!r}"]
    return notes + (["numbers are written with a decimal comma"] if decimal == "," else [])
