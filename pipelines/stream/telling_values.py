"""Anomalies of values, told with the value that made the window odd, or with some that differ from what was served."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from streamgauge.anomaly.types import Anomaly
from streamgauge.pipelines.sample_quality import oddities, serving
from streamgauge.pipelines.stream.view import JobView


def told(anomalies: Sequence[Anomaly], view: JobView | None) -> list[Anomaly]:
    """The same; what begins of `value_surprise` says which value it is about."""
    return [_told(one, view) for one in anomalies]


def _told(anomaly: Anomaly, view: JobView | None) -> Anomaly:
    if anomaly.end is not None or view is None:
        return anomaly
    if anomaly.metric in serving.NAMES:
        return _with_examples(anomaly, view)
    if anomaly.metric != oddities.NAME:
        return anomaly
    odd = oddities.oddities(view).get(anomaly.entity)
    return anomaly if odd is None else msgspec.structs.replace(anomaly, text=f"{anomaly.text}; {oddities.said(odd)}")


def _with_examples(anomaly: Anomaly, view: JobView) -> Anomaly:
    met = serving.meetings(view).get(anomaly.entity)
    if met is None or not met[0].examples:
        return anomaly
    return msgspec.structs.replace(anomaly, text=f"{anomaly.text}; {serving.said(met[0])}")
