"""The range of an answer that is of the last week where no range is asked for, by the data that there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiohttp import web

from streamgauge.pipelines.adapters.http import keys
from streamgauge.pipelines.adapters.http.json import span
from streamgauge.pipelines.config.schema import DAY
from streamgauge.pipelines.features.table import newest
from streamgauge.pipelines.ports import Query

_SPAN: Final = 7 * DAY


def recent(request: web.Request, *jobs: str, most: float) -> Callable[[Query], tuple[float, float]]:
    """What asks a store for it: up to the newest data of all jobs, and of at most `most` seconds."""
    (start, end), now, is_from = span(request), request.app[keys.SOURCES].now(), "start" in request.query

    def asked(query: Query) -> tuple[float, float]:
        last = min(end, *(newest(query, job) or now + 1.0 for job in jobs))
        return (max(start, last - most) if is_from else last - _SPAN), last

    return asked
