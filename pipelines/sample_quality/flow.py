"""How the samples flow: volume, lateness, delays, duplicates, ids never seen before."""

from __future__ import annotations

from collections.abc import Callable

from streamgauge.pipelines.config.schema import DAY
from streamgauge.pipelines.metrics import Values, View
from streamgauge.pipelines.statistics.measures import NOTHING, proportion, quantile_values, rate, values
from streamgauge.tracer.records import Clock
from streamgauge.tracer.summaries import Counts, Histogram, Ids

NEW_ID_HORIZON = 7 * DAY


def volume(view: View) -> Values:
    """Rows first seen / window length."""
    if not view.stat("sample", "rows").entities:
        return NOTHING
    return rate(view.total("sample", "rows"), view.length)


def late_rate(view: View) -> Values:
    """Rows older than the declared `max_age` / rows with a time (older tracers do not tell those: rows)."""
    if not view.stat("sample", "late_rows").entities:
        return NOTHING
    timed = view.total("sample", "timed_rows")
    return proportion(view.total("sample", "late_rows"), timed or view.total("sample", "rows"))


def delay(clock: Clock, name: str, q: float) -> Callable[[View], Values]:
    """A metric function for one quantile of a delay; the floor is its SLO where the config declares one."""

    def compute(view: View) -> Values:
        found = quantile_values(view.sketches(Histogram, clock, name), q)
        slo = view.config.slo.get(name, 0.0)
        return found._replace(floor=found.floor + slo) if slo else found

    return compute


def label_delay(q: float) -> Callable[[View], Values]:
    """The same of the labels; where negatives come by time-out (`labels.wait`) their delay is no news, and left out."""
    every = delay("label", "label_delay", q)

    def compute(view: View) -> Values:
        if not view.config.labels.wait:
            return every(view)
        clicked = view.sketches(Histogram, "label", "label_delay").get("label:positive")
        return quantile_values({} if clicked is None else {"": clicked, "label:positive": clicked}, q)

    return compute


def duplicate_rate(view: View) -> Values:
    """1 - ids seen for the first time / rows, on the sampled ids, over the horizon."""
    found = view.sketches(Ids, "train", "sample_id").get("")
    if found is None:
        return NOTHING
    horizon = view.memory("sample_id", "")
    hashes, counts = found.hashes, found.counts
    fresh = len(hashes)
    if horizon is not None:
        sampled = horizon.is_sampled(hashes)
        hashes, counts = hashes[sampled], counts[sampled]
        fresh = len(hashes) - int(horizon.is_known(hashes, view.start).sum())
    rows = int(counts.sum())
    return proportion(rows - fresh, rows)


def new_id_rate(view: View) -> Values:
    """Rows whose id was not seen in the trailing 7 days / rows; known once 7 days lie behind."""
    found = view.sketches(Ids, "sample", "profile")
    counts = view.sketches(Counts, "sample", "profile")
    columns = {}
    for entity, ids in found.items():
        horizon = view.memory("profile", entity)
        if horizon is None or not horizon.spans(view.start):
            continue
        sampled = horizon.is_sampled(ids.hashes)
        hashes, seen = ids.hashes[sampled], ids.counts[sampled]
        fresh = int(seen[~horizon.is_known(hashes, view.start)].sum()) * max(horizon.modulus, ids.modulus)
        rows = counts[entity].present if entity in counts else int(ids.counts.sum()) * ids.modulus
        columns[entity] = proportion(min(fresh, rows), rows)
    return values(
        list(columns), [(v.value.item(), v.rows.item(), v.error.item(), 0.0) for v in columns.values()]
    )
