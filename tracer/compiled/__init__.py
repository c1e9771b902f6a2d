"""The tracer's core in C (`core.c`), where it was built: a third of what strings and open ids cost without it.

Nothing needs it. Its twins in NumPy, `summaries/hashing.py` and `key_index.py`, give the same, and run where there was
no compiler, on a Python before 3.11, beside a build of another version, and with `STREAMGAUGE_COMPILED=off` in the
environment.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
from collections.abc import Sequence
from typing import Any, Final, Protocol, cast

from numpy.typing import NDArray

VERSION: Final = 1  # of the functions; core.c says which it has
SWITCH: Final = "STREAMGAUGE_COMPILED"
LOG: Final = logging.getLogger(__name__)
_NAME: Final = f"{__name__}.core"


class Core(Protocol):
    """What `core.c` does, to contiguous arrays of the twin's types."""

    VERSION: int

    def text_codes(
        self, values: Sequence[Any], codes: NDArray[Any], begin: int, table: dict[Any, int], half: int, longest: int,
        salt: bytes,
    ) -> int:  # fmt: skip
        """Fill in `codes` from `begin` on, up to what is neither text nor None or finds the table full; up to where.

        `half`: values that the table may hold, 0 where none is to be asked; `longest`: characters of a value in it.
        """

    def find_cells(self, asked: NDArray[Any], cells: NDArray[Any], keys: NDArray[Any], slots: NDArray[Any]) -> None:
        """Fill in the cell of each key that is asked for, -1 where there is none."""

    def fill_cells(self, new: NDArray[Any], wanted: NDArray[Any], keys: NDArray[Any], slots: NDArray[Any]) -> int:
        """Give new keys cells; how many of these were never filled before."""


@functools.lru_cache(maxsize=1)
def fast() -> Core | None:
    """The compiled core; None where the twins are to run, which is logged once."""
    if os.environ.get(SWITCH, "").lower() == "off":
        return None
    try:
        found = cast(Core, importlib.import_module(_NAME))
    except ModuleNotFoundError:
        LOG.info("no compiled core was built for this installation: strings and ids cost some three times as much")
        return None
    except ImportError as error:
        LOG.warning("the compiled core was built for another Python or machine, NumPy does its work: %s", error)
        return None
    if found.VERSION != VERSION:
        LOG.warning(
            "the compiled core is of version %s, not %s, NumPy does its work: build it anew", found.VERSION, VERSION
        )
        return None
    return found
