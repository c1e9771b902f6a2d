"""A file of rows as the commands read it: what had to be guessed is told on stderr, and faults as the user's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.config.faults import suggestion
from streamgauge.pipelines.profiling.columns import ProfileError, read
from streamgauge.pipelines.text_tables import Form
from streamgauge.tracer.printable import printable


def rows_of(path: Path, *columns: str, form: Form = Form(), is_dated: bool = False) -> Any:  # noqa: B008 - frozen
    """The frame of a CSV or Parquet file that must have these columns ("" is none). Raises UseError."""
    try:
        frame = read(path, form, is_dated=is_dated)
    except ProfileError as error:
        raise UseError(str(error)) from None
    for note in frame.attrs["notes"]:
        print(printable(f"{path.name}: {note}"), file=sys.stderr)
    known = [str(name) for name in frame.columns]
    for name in filter(None, columns):
        if name not in known:
            raise UseError(f"{path}: no column {name!r}{suggestion(name, known)}")
    return frame
