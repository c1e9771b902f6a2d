"""Whether the workers are there, keep up with each other and lose nothing on the way: from membership, not points."""

from __future__ import annotations

from streamgauge.pipelines.config.schema import HOUR
from streamgauge.pipelines.metrics import Presence, Values, View
from streamgauge.pipelines.statistics.measures import NOTHING, single
from streamgauge.pipelines.system_quality.others import Others


def heartbeat_age(view: View) -> Values:
    """Window end - last record; of the job, of its freshest worker. The floor is the worker's interval."""
    members = _members(view)
    if not members:
        return NOTHING
    freshest = max(members, key=lambda presence: (presence.seen, -presence.interval))
    return single(max(view.end - freshest.seen, 0.0), 1.0, floor=freshest.interval)


def watermark_lag(view: View) -> Values:
    """Median watermark of the others - own; of the job, its slowest worker's. The floor is the shortest window."""
    window = min(spec.length for spec in view.config.windows)
    everyone = view.shared("watermark_lag", _watermarks)
    own = [view.worker] if view.worker else sorted(everyone.values)
    lags = [max(everyone.median(name) - everyone.values[name], 0.0) for name in own if name in everyone.values]
    if not lags or len(everyone.values) < 2:
        return NOTHING
    return single(max(lags), 1.0, floor=window)


def restarts(view: View) -> Values:
    """New incarnations by hour."""
    presences = _own(view)
    if not presences:
        return NOTHING
    return single(float(sum(presence.restarts for presence in presences)) * HOUR / view.length, 1.0)


def trace_loss(view: View) -> Values:
    """1 - points received / points captured, by the tracers' own counters."""
    presences = [presence for presence in _own(view) if presence.captured > 0]
    captured = sum(presence.captured for presence in presences)
    if not captured:
        return NOTHING
    received = sum(min(presence.received, presence.captured) for presence in presences)
    return single(1.0 - received / captured, float(captured))


def _own(view: View) -> list[Presence]:
    if not view.worker:
        return list(view.presences.values())
    return [view.presences[view.worker]] if view.worker in view.presences else []


def _members(view: View) -> list[Presence]:
    return [presence for presence in _own(view) if presence.state != "left"]


def _watermarks(view: View) -> Others:
    return Others({name: p.watermark for name, p in view.presences.items() if p.state in ("live", "behind")})
