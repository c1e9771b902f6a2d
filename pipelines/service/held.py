"""Bytes in the caches of pure functions, which all threads of the process share: entries times what one takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from streamgauge.anomaly import types
from streamgauge.pipelines.config import calendar
from streamgauge.pipelines.paging import lineage
from streamgauge.pipelines.statistics import drift, grouped, information


class _Cached(Protocol):
    def cache_info(self) -> Any:
        """As functools.lru_cache has it."""
        ...


_NAMES: Final[Mapping[_Cached, int]] = {types.fingerprint: 450, lineage.place: 350, calendar.clock_shifts: 200}
_SUMMARIES: Final[Mapping[_Cached, int]] = {
    **dict.fromkeys(drift.CACHED, 6_000),  # two arrays of at most 256 numbers, and what they were made of
    information.information_value: 3_000, grouped.gauc: 40_000, grouped.ranked: 40_000,
}  # fmt: skip

CACHES: Final[Mapping[str, Callable[[], int]]] = {
    "names": lambda: _bytes(_NAMES),
    "summaries": lambda: _bytes(_SUMMARIES),
}


def _bytes(cached: Mapping[_Cached, int]) -> int:
    return sum(one.cache_info().currsize * size for one, size in cached.items())
