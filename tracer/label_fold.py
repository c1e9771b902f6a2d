"""What labels bring: arrivals, delays, deadlines, pairs with the predictions, label counts by value bin; off the step.

Labels here are mapped (`streamgauge.tracer.domains`): 0..1, NaN where missing, inf where invalid. A missing one is not
known yet; an invalid one is counted, and not known either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer import multivalued, profiles
from streamgauge.tracer.by_group import RowsByGroup
from streamgauge.tracer.domains import POSITIVE, labels_of
from streamgauge.tracer.hints import Hints
from streamgauge.tracer.id_sampling import IdSampling
from streamgauge.tracer.inputs import NA, Array, Floats, is_na
from streamgauge.tracer.joins import Join
from streamgauge.tracer.outcomes import COUNTS, Deadlines, Known
from streamgauge.tracer.panes import Pane
from streamgauge.tracer.profiles import Profiles
from streamgauge.tracer.records import Clock
from streamgauge.tracer.summaries import combine

NEARLY_FULL: Final = 0.9  # of the join's capacity, when it is told


class LabelFold:
    """Labels of one incarnation, into its panes."""

    def __init__(
        self, panes: Pane, join: Join, features: Profiles, sampling: IdSampling, hints: Hints, by_group: RowsByGroup,
        on_positive: Callable[[Array], None] = lambda keys: None,
    ) -> None:  # fmt: skip
        self._panes, self._join, self._profiles, self._sampling, self._hints = panes, join, features, sampling, hints
        self._by_group = by_group
        self._across = join.labels.across
        self._has_classes = by_group.has_classes = not join.labels.are_numbers
        self._on_positive = on_positive  # is told which ids have a positive label

    def mapped(self, labels: Array) -> Floats:
        """Labels as 0..1 by the job's declaration."""
        rule = self._join.labels
        found = labels_of(labels, rule.scale, rule.positive)
        self._hints.labels(labels, found)
        return found

    def know(self, keys: Array, labels: Floats) -> None:
        """Labels that became known now."""
        self._count_unusable(labels)
        usable = np.isfinite(labels)
        if not usable.any():
            return
        known = self._label(keys[usable], labels[usable])
        self._send(keys[usable], labels[usable])
        if not self._across:
            self._hints.joined(known.settled, len(known.labels), len(self._join))
        self._arrived(known.labels[known.is_new])
        self._settled(known)

    def early(self, keys: Array) -> None:
        """Samples came whose labels may have come before them."""
        found = self._join.early.take(self._panes.now, keys)
        if len(found.keys):
            self._settled(self._label(found.keys, found.labels))

    def _label(self, keys: Array, labels: Floats) -> Known:
        known = self._join.label(self._panes.now, keys, labels)
        self._on_positive(keys[labels > POSITIVE])
        return known

    def _settled(self, known: Known) -> None:
        """What labels did to samples that waited; where the pipeline joins them, that is for it to say."""
        if self._across:
            return
        if known.settled:
            self._panes.add("label", "settled", "", known.settled)
        if known.flips:
            self._panes.add("label", "flips", "", known.flips)
        self._delays(known.labels, known.delay)

    def seen(self, keys: Array, event: Floats | None, due: Floats | None, predicted: Floats | None) -> None:
        """Samples that labels of other workers may belong to travel with their prediction, those of the sampled ids."""
        if self._across:
            unknown, now = np.full(len(keys), NA), np.full(len(keys), self._panes.now)
            columns = (unknown if column is None else column for column in (predicted, event, due))
            self._panes.gather("sample", "seen", "", profiles.samples_to_join(self._across), keys, now, *columns)

    def _send(self, keys: Array, labels: Floats) -> None:
        """Labels of samples that other workers may have seen."""
        if self._across:
            now = np.full(len(keys), self._panes.now)
            self._panes.gather("label", "known", "", profiles.labels_to_join(self._across), keys, now, labels)

    def _send_weights(self, keys: Array, weights: Floats) -> None:
        """What samples weigh that other workers may have seen."""
        if self._across:
            known = np.isfinite(weights)
            now = np.full(int(np.count_nonzero(known)), self._panes.now)
            build = profiles.labels_to_join(self._across)
            self._panes.gather("train", "weighed", "", build, keys[known], now, weights[known])

    def arrived(self, labels: Floats) -> None:
        """Labels of rows that are seen and labelled at once."""
        self._count_unusable(labels)
        self._arrived(labels[np.isfinite(labels)])

    def delays(self, labels: Floats, delay: Floats) -> None:
        """How long those labels took."""
        usable = np.isfinite(labels)
        self._delays(labels[usable], delay[usable])

    def tell_room(self) -> None:
        """How full the join is; a fact before it is full, and one where it goes on with a sample of the ids."""
        join, panes = self._join, self._panes
        panes.latest("label", "join_open", "", float(len(join)))
        panes.latest("label", "join_share", "", join.share)
        room = f"{len(join):,} samples wait for labels, Labels.capacity is {join.labels.capacity:,}"
        if join.modulus > 1:
            panes.latest("label", "join_modulus", "", float(join.modulus))
            text = f"one id in {join.modulus} is joined: {room}; what labels say is of this sample"
            panes.hard("join_sampled", "", float(join.modulus), text)
        elif join.share > NEARLY_FULL:
            panes.hard("join_full", "", join.share, f"{room}: beyond it the tracer goes on with a sample of the ids")
        if join.kept.modulus > 1:
            panes.latest("label", "kept_modulus", "", float(join.kept.modulus))

    def deadlines(self, passed: Deadlines) -> None:
        """What time did to the samples that wait."""
        cohort = self._join.cohort(passed.pane)
        if self._across:
            return
        for name in COUNTS:
            count = getattr(passed, name)
            if count:
                self._panes.add("label", name, "", count)
        if passed.expired:
            self._panes.add("label", "settled", "", passed.expired)
        if cohort is not None:
            if self._join.labels.keep_rate < 1.0:
                self._panes.add("label", "cohort_weight", "", float(self._stands_for(cohort.labels).sum()))
            weights = None if cohort.weights is None else np.where(np.isnan(cohort.weights), 1.0, cohort.weights)
            self._paired("label", "cohort", cohort.labels, cohort.predictions, weights)

    def trained(self, keys: Array, labels: Floats | None, predicted: Floats | None, weights: Floats | None) -> None:
        """Rows that were trained on; what the call does not give comes from the join."""
        slots = self._join.find(keys)
        held = self._join.column("label", slots)
        if labels is not None:
            waiting = (slots >= 0) & np.isnan(held)
            if waiting.any():  # the label is known no later than now
                self.know(keys[waiting], labels[waiting])
            elsewhere = (slots < 0) & np.isfinite(labels)
            if elsewhere.any():
                self._send(keys[elsewhere], labels[elsewhere])
        if weights is not None:
            self._join.weigh(slots, weights)
            self._send_weights(keys, weights)
        self._train_delays(slots)
        labels = held if labels is None else labels
        if predicted is None:
            predicted = self._join.column("prediction", slots)
        else:
            self._join.predict(slots, predicted)
        self.pairs(labels, predicted, weights)
        self.gather_pairs(keys, labels, np.ones(len(keys), bool))
        inside, codes = self._join.features(keys)
        self.binned(labels[inside], codes)
        self._by_group.pairs(
            labels[inside], None if predicted is None else predicted[inside],
            None if weights is None else weights[inside], codes,
        )

    def pairs(self, labels: Floats, predicted: Floats | None, weights: Floats | None) -> None:
        """Predictions with their labels; an invalid one of either is counted among them."""
        if predicted is not None:
            self._paired("train", "labels", labels, predicted, weights)

    def _paired(self, clock: Clock, name: str, labels: Floats, predicted: Floats, weights: Floats | None) -> None:
        usable = ~np.isnan(labels) & ~is_na(predicted)
        if usable.any():
            weights = np.ones(len(labels)) if weights is None else weights
            if self._join.labels.keep_rate < 1.0:
                weights = weights * self._stands_for(labels)
            columns = (predicted[usable], labels[usable], weights[usable])
            build = profiles.labelled if self._has_classes else profiles.errors
            self._panes.gather(clock, name, "", build, *columns)

    def _stands_for(self, labels: Floats) -> Floats:
        """For how many rows each labelled one stands."""
        return np.where(labels > POSITIVE, 1.0, 1.0 / self._join.labels.keep_rate)

    def gather_pairs(self, keys: Array, labels: Floats, rows: NDArray[np.bool_]) -> None:
        """Ids with their labels, for duplicates."""
        known = np.isfinite(labels) & rows
        self.gather_ids(combine(keys[known], labels[known]))

    def gather_ids(self, hashes: Array) -> None:
        """Hashes for the sample of ids."""
        modulus = self._sampling.modulus
        if modulus > 1:
            self._panes.latest("label", "id_modulus", "", float(modulus))
        self._panes.gather("train", "sample_id", "", profiles.ids(modulus), hashes)

    def binned(self, labels: Floats, codes: dict[str, Array]) -> None:
        """Label counts by value bin; numbers have no classes to count."""
        if not self._has_classes:
            return
        known = np.isfinite(labels)
        if not known.all():
            labels, codes = labels[known], {name: column[known] for name, column in codes.items()}
        positive = labels > POSITIVE
        for name, rows in codes.items():
            if rows.dtype.hasobject:
                self._panes.gather(
                    "train", "bins", f"feature:{name}", profiles.bins, *multivalued.flat(rows, positive)
                )
            else:
                self._panes.gather("train", "bins", f"feature:{name}", profiles.bins, rows, positive)

    def _count_unusable(self, labels: Floats) -> None:
        for name, count in (
            ("missing_labels", int(np.count_nonzero(np.isnan(labels)))),
            ("invalid_labels", int(np.count_nonzero(np.isinf(labels)))),
        ):
            if count:
                self._panes.add("label", name, "", count)

    def _arrived(self, labels: Floats) -> None:
        if not len(labels):
            return
        self._panes.add("label", "labels", "", len(labels))
        self._panes.latest("label", "last_label", "", self._panes.now)
        if not self._has_classes:
            self._panes.gather("label", "label_number", "", profiles.numbers, labels)
            return
        self._panes.add("label", "positives", "", int(np.count_nonzero(labels > POSITIVE)))
        if self._join.labels.keep_rate < 1.0:
            self._panes.add("label", "label_weight", "", float(self._stands_for(labels).sum()))

    def _delays(self, labels: Floats, delay: Floats) -> None:
        known = ~np.isnan(delay)
        positive = labels > POSITIVE
        self._hints.delays(delay[known], self._panes.now, self._join.labels.horizon)
        parts = (("", known), ("label:positive", known & positive), ("label:negative", known & ~positive))
        for entity, rows in parts if self._has_classes else parts[:1]:
            if rows.any():
                self._panes.gather("label", "label_delay", entity, profiles.seconds, delay[rows])

    def _train_delays(self, slots: NDArray[np.int64]) -> None:
        event_time = self._join.column("event", slots)
        written = self._join.column("written", slots)
        since = np.where(np.isnan(written), self._join.column("seen", slots), written)
        for name, start in (("train_delay", event_time), ("queue_delay", since)):
            delay = self._panes.now - start[~np.isnan(start)]
            if len(delay):
                self._panes.gather("train", name, "", profiles.seconds, delay)
