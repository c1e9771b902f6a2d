"""Anomalies of categorical features, told with the value that made the window odd."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from streamgauge.anomaly.types import Anomaly
from streamgauge.pipelines.sample_quality import oddities
from streamgauge.pipelines.stream.view import JobView


def told(anomalies: Sequence[Anomaly], view: JobView | None) -> list[Anomaly]:
    """The same; what begins of `value_surprise` says which value it is about."""
    return [_told(one, view) for one in anomalies]


def _told(anomaly: Anomaly, view: JobView | None) -> Anomaly:
    if anomaly.metric != oddities.NAME or anomaly.end is not None or view is None:
        return anomaly
    odd = oddities.oddities(view).get(anomaly.entity)
    return anomaly if odd is None else msgspec.structs.replace(anomaly, text=f"{anomaly.text}; {oddities.said(odd)}")
