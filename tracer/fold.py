"""What each event measures: events become points, sketches and deadlines of the open pane; off the step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer import profiles
from streamgauge.tracer.events import Event, Idled, Labelled, Measured, Observed, Scalar, Stepped
from streamgauge.tracer.joins import Deadlines, Join
from streamgauge.tracer.panes import Panes
from streamgauge.tracer.profiles import Array, Profiles
from streamgauge.tracer.records import Clock
from streamgauge.tracer.rows import LIMIT, Floats, numbers_of, times_of
from streamgauge.tracer.summaries import combine, hash_values

CLOCKS: frozenset[str] = frozenset({"sample", "label", "train", "wall"})


class Rules(NamedTuple):
    """What the fold must know of the job."""

    salt: bytes
    modulus: int  # of the sample ids kept for duplicates, a power of two
    max_age: float | None


class Fold:
    """Panes, the join and the profiles of one incarnation.

    `fault` is told what went wrong with one part of an event; the other parts count all the same. `ending` is called
    before a pane that lies behind the clock is cut.
    """

    def __init__(
        self, panes: Panes, join: Join, features: Profiles, rules: Rules, fault: Callable[[str, Exception], None],
        ending: Callable[[], None] = lambda: None,
    ) -> None:
        self.panes = panes
        self.join = join
        self.steps = 0
        self.born = panes.now
        self._profiles = features
        self._rules = rules
        self._fault = fault
        self._ending = ending
        self._overflow = join.overflow

    def fold(self, event: Event) -> None:
        """One event, at its own time or, if the pane of that has ended, in the open one."""
        self.advance(event.time, moves=isinstance(event, (Stepped, Idled)))
        if isinstance(event, Observed):
            self._part(self._observed, event)
        elif isinstance(event, Labelled):
            self._part(self._labelled, event.ids, event.labels)
        elif isinstance(event, Stepped):
            self._stepped(event)
        elif isinstance(event, Scalar):
            self._part(self._scalar, event)

    def advance(self, now: float, *, moves: bool = False) -> None:
        """Time passes: panes that have ended are cut. The watermark moves with steps and idleness only."""
        panes = self.panes
        if not -LIMIT < now < LIMIT:
            return
        panes.now = max(panes.now, now)
        start = panes.floor(panes.now)
        if start > panes.start:
            self._part(self._ending)
            for passed in self.join.close(start):
                if passed.pane > panes.start:
                    panes.end(passed.pane)
                self._deadlines(passed)
            panes.end(start)
        if moves:
            panes.watermark = max(panes.watermark, start)

    def coded(self, name: str, column: Array) -> Array:
        """A feature's column as it may leave the process: numbers, or salted hashes of categories and ids."""
        return self._profiles.codes(self._profiles.feature(name, column), column)

    def _part(self, apply: Callable[..., None], *arguments: Any) -> None:
        try:
            apply(*arguments)
        except Exception as error:
            self._fault(f"fold {apply.__name__.strip('_')}", error)

    def _observed(self, event: Observed) -> None:
        panes = self.panes
        panes.add("sample", "rows", "", event.rows)
        panes.add("wall", "rows_seen", "", event.rows)
        seen_at = panes.now
        times = times_of(event.event_time, event.rows)
        written = times_of(event.written, event.rows)
        if times is not None:
            self._part(self._ages, times, written, seen_at)
        predicted = numbers_of(event.predictions, event.rows)
        if predicted is not None:
            self._part(self._predicted, predicted)
        codes = self._profiled(event.features, event.rows, keep=event.ids is not None)
        if event.ids is not None:
            keys = self._keys(event.ids, event.rows)
            repeats = self.join.open(
                seen_at, keys, event=times, due=times_of(event.due, event.rows), written=written,
                predictions=predicted, features=codes,
            )  # fmt: skip
            if repeats:
                panes.add("sample", "repeats", "", repeats)
            if self.join.overflow > self._overflow:
                panes.add("label", "overflow", "", self.join.overflow - self._overflow)
                self._overflow = self.join.overflow

    def _ages(self, times: Floats, written: Floats | None, seen_at: float) -> None:
        if self._rules.max_age is not None:
            self.panes.add("sample", "late_rows", "", int(np.count_nonzero(seen_at - times > self._rules.max_age)))
        if written is not None:
            self.panes.gather("sample", "produce_delay", "", profiles.seconds, written - times)

    def _predicted(self, predicted: Floats) -> None:
        self.panes.gather("sample", "prediction", "", profiles.predictions, predicted)
        self._nonfinite("prediction", predicted)

    def _profiled(self, features: dict[str, Array], rows: int, *, keep: bool) -> dict[str, Array]:
        """Gather features for their profiles; what is kept of them for the label counts."""
        codes: dict[str, Array] = {}
        for name, column in features.items():
            feature = self._profiles.feature(name, column)
            entity = f"feature:{name}"
            self._part(self.panes.gather, "sample", "profile", entity, self._profiles.build(feature), column)
            if keep and len(column) == rows:
                codes[name] = self._profiles.codes(feature, column)
        return codes

    def _labelled(self, ids: Array, labels: Array) -> None:
        values = np.asarray(labels, np.float64).ravel()
        self._know(self._keys(ids, len(values)), values)

    def _know(self, keys: Array, labels: Floats) -> None:
        known = self.join.label(self.panes.now, keys, labels)
        new = known.labels[known.is_new]
        self._arrived(new)
        if known.settled:
            self.panes.add("label", "settled", "", known.settled)
        if known.flips:
            self.panes.add("label", "flips", "", known.flips)
        self._delays(known.labels, known.delay)

    def _arrived(self, labels: Floats) -> None:
        if len(labels):
            self.panes.add("label", "labels", "", len(labels))
            self.panes.add("label", "positives", "", int(np.count_nonzero(labels > 0.5)))
            self.panes.latest("label", "last_label", "", self.panes.now)

    def _delays(self, labels: Floats, delay: Floats) -> None:
        known = ~np.isnan(delay)
        for entity, rows in (
            ("", known), ("label:positive", known & (labels > 0.5)), ("label:negative", known & (labels <= 0.5)),
        ):  # fmt: skip
            if rows.any():
                self.panes.gather("label", "label_delay", entity, profiles.seconds, delay[rows])

    def _deadlines(self, passed: Deadlines) -> None:
        for name in ("due", "overdue", "cohort_rows", "cohort_labelled", "expired"):
            count = getattr(passed, name)
            if count:
                self.panes.add("label", name, "", count)
        if passed.expired:
            self.panes.add("label", "settled", "", passed.expired)

    def _stepped(self, event: Stepped) -> None:
        panes = self.panes
        panes.stepped(event.step)
        if event.updated:
            self.steps += 1
            panes.add("train", "steps", "", 1)
        if event.skipped:
            panes.add("train", "skipped_updates", "", 1)
        if event.rows:
            panes.add("train", "rows", "", event.rows)
            panes.add("wall", "rows_trained", "", event.rows)
        if event.loss is not None:
            self._loss(event.loss, event.rows)
        if event.seconds is not None and math.isfinite(event.seconds):
            panes.gather("wall", "step_time", "", profiles.seconds, np.array([event.seconds]))
        for name, tensor in event.tensors.items():
            self._part(self._tensor, f"tensor:{name}", tensor, event.rows)
        if event.features is not None:
            self._part(self._joinless, event)
        elif event.ids is not None or event.labels is not None:
            self._part(self._trained, event)

    def _loss(self, loss: float, rows: int) -> None:
        if math.isfinite(loss):
            self.panes.point("train", "loss", "", loss, float(rows or 1))
        else:
            self.panes.add("train", "nonfinite", "loss", 1)
            self.panes.hard("nonfinite", "loss", 1.0)

    def _tensor(self, entity: str, tensor: Measured, rows: int) -> None:
        for name, norm in (("gradient_norm", tensor.gradient), ("weight_norm", tensor.weight)):
            if norm is not None and math.isfinite(norm):
                self.panes.point("train", name, entity, norm)
        if tensor.update is not None and tensor.touched is not None:
            ratio = tensor.update / max(tensor.touched, 1e-12)
            if math.isfinite(ratio):
                self.panes.point("train", "apparent_update_ratio" if tensor.apparent else "update_ratio", entity, ratio)
        if tensor.nonfinite:
            self.panes.add("train", "nonfinite", entity, tensor.nonfinite)
            self.panes.hard("nonfinite", entity, float(tensor.nonfinite))
        if tensor.positives is not None and len(tensor.positives):
            self.panes.count_units(entity, profiles.units(tensor.positives, tensor.rows or rows))

    def _joinless(self, event: Stepped) -> None:
        """All three clocks at once: the rows are seen, labelled and trained on in this step."""
        observed = Observed(
            event.time, event.rows, event.features or {}, None, event.event_time, None, None, event.predictions
        )
        self._part(self._observed, observed)
        labels = numbers_of(event.labels, event.rows)
        times = times_of(event.event_time, event.rows)
        known = np.zeros(event.rows, bool) if labels is None else ~np.isnan(labels)
        if event.ids is not None and not known.all():
            self._gather_ids(self._keys(event.ids, event.rows)[~known])
        if labels is not None:
            self._arrived(labels[known])
            if times is not None:
                self._delays(labels[known], self.panes.now - times[known])
            codes = {
                name: self._profiles.codes(self._profiles.feature(name, column), column)
                for name, column in (event.features or {}).items()
                if len(column) == event.rows
            }
            self._pairs(event, labels, numbers_of(event.predictions, event.rows), codes)
        if times is not None:
            self.panes.gather("train", "train_delay", "", profiles.seconds, self.panes.now - times)

    def _trained(self, event: Stepped) -> None:
        """Pairs of labels and the predictions from before the update, from the call or from the join."""
        labels = numbers_of(event.labels, event.rows)
        predicted = numbers_of(event.predictions, event.rows)
        if predicted is not None:
            self._nonfinite("prediction", predicted)
        times = times_of(event.event_time, event.rows)
        if times is not None and event.ids is None:
            self.panes.gather("train", "train_delay", "", profiles.seconds, self.panes.now - times)
        if event.ids is None:
            if labels is not None:
                self._pairs(event, labels, predicted, {})
            return
        keys = self._keys(event.ids, event.rows)
        slots = self.join.find(keys)
        held = self.join.column("label", slots)
        if labels is not None:
            waiting = (slots >= 0) & np.isnan(held)
            if waiting.any():  # the label is known no later than now
                self._know(keys[waiting], labels[waiting])
        self._train_delays(slots)
        labels = held if labels is None else labels
        predicted = self.join.column("prediction", slots) if predicted is None else predicted
        inside = slots >= 0
        codes = self.join.features(slots[inside])
        self._pairs(event, labels, predicted, {}, keys)
        self._binned(labels[inside], codes)

    def _train_delays(self, slots: NDArray[np.int64]) -> None:
        event_time = self.join.column("event", slots)
        written = self.join.column("written", slots)
        since = np.where(np.isnan(written), self.join.column("seen", slots), written)
        for name, start in (("train_delay", event_time), ("queue_delay", since)):
            delay = self.panes.now - start[~np.isnan(start)]
            if len(delay):
                self.panes.gather("train", name, "", profiles.seconds, delay)

    def _pairs(
        self, event: Stepped, labels: Floats, predicted: Floats | None, codes: dict[str, Array],
        keys: Array | None = None,
    ) -> None:
        weights = numbers_of(event.weights, len(labels))
        weights = np.ones(len(labels)) if weights is None else weights
        known = ~np.isnan(labels)
        if predicted is not None and known.any():
            usable = known & ~np.isnan(predicted)
            columns = (predicted[usable], labels[usable], weights[usable])
            self.panes.gather("train", "labels", "", profiles.labelled, *columns)
        if keys is None and event.ids is not None:
            keys = self._keys(event.ids, event.rows)
        if keys is not None:
            self._gather_ids(combine(keys[known], labels[known]))
        self._binned(labels, codes)

    def _gather_ids(self, hashes: Array) -> None:
        self.panes.gather("train", "sample_id", "", profiles.ids(self._rules.modulus), hashes)

    def _binned(self, labels: Floats, codes: dict[str, Array]) -> None:
        known = ~np.isnan(labels)
        for name, column in codes.items():
            self.panes.gather("train", "bins", f"feature:{name}", profiles.bins, column[known], labels[known])

    def _scalar(self, event: Scalar) -> None:
        if event.clock not in CLOCKS:
            raise ValueError(f"clock must be one of {sorted(CLOCKS)}, got {event.clock!r} (tracer.scalar)")
        clock: Clock = event.clock  # type: ignore[assignment]
        self.panes.point(clock, event.name, event.entity, event.value, event.weight)

    def _nonfinite(self, entity: str, values: Floats) -> None:
        count = len(values) - int(np.count_nonzero(np.isfinite(values)))
        if count:
            self.panes.add("train", "nonfinite", entity, count)
            self.panes.hard("nonfinite", entity, float(count))

    def _keys(self, ids: Array, rows: int) -> Array:
        if len(ids) != rows:
            raise ValueError(f"{len(ids)} ids for {rows} rows (tracer)")
        return hash_values(ids, self._rules.salt)
