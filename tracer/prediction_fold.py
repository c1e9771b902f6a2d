"""What predictions say of themselves, as probabilities of all rows; off the step."""

from __future__ import annotations

import numpy as np

from streamgauge.tracer import measures, profiles
from streamgauge.tracer.domains import PredictionScale, numbers_of, of_all_rows, probabilities_of
from streamgauge.tracer.hints import Hints
from streamgauge.tracer.inputs import Floats, is_na
from streamgauge.tracer.labels import Labels
from streamgauge.tracer.panes import Pane
from streamgauge.tracer.records import Clock


class PredictionFold:
    """Predictions of one incarnation, into its panes."""

    def __init__(self, panes: Pane, labels: Labels, scale: PredictionScale, hints: Hints) -> None:
        self._panes, self._labels, self._scale, self._hints = panes, labels, scale, hints

    def known(self, given: Floats, clock: Clock) -> Floats:
        """Predictions as probabilities, or numbers; those of the samples have a sketch of their own."""
        measures.nonfinite(self._panes, "prediction", given)
        if self._labels.are_numbers:
            found = numbers_of(given)
            if clock == "sample":
                self._panes.gather("sample", "prediction_number", "", profiles.numbers, found[np.isfinite(found)])
            return found
        self._hints.predictions(given, self._scale)
        found, clipped = self.probabilities(given)
        if clipped:
            self._panes.add(clock, "clipped_predictions", "", clipped)
        if clock == "sample":
            self._panes.gather("sample", "prediction", "", profiles.predictions, found[~is_na(found)])
            self._weigh(found)
        return found

    def probabilities(self, given: Floats) -> tuple[Floats, int]:
        """Predictions as probabilities for all rows, or numbers, and how many were clipped."""
        if self._labels.are_numbers:
            return numbers_of(given), 0
        found, clipped = probabilities_of(given, self._scale)
        labels = self._labels
        if labels.keep_rate < 1.0 and labels.predicts == "kept":
            found = of_all_rows(found, labels.keep_rate)
        return found, clipped

    def _weigh(self, predicted: Floats) -> None:
        """For how many rows those with a prediction stand: 1 for a positive, 1 / keep rate for a negative."""
        rate = self._labels.keep_rate
        if rate < 1.0:
            q = predicted[np.isfinite(predicted)]
            weight = 1.0 / (q + rate * (1.0 - q))
            self._panes.add("sample", "prediction_weight", "", float(weight.sum()))
            self._panes.add("sample", "prediction_total", "", float((weight * q).sum()))
