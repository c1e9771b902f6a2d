"""What looks wrong with what a job hands over, in words a person can act on: seen in its first minute, off the step.

Nothing is dropped or changed by a hint: it is evidence that a declaration is missing. Each is told once it holds on at
least 100 values; what no longer holds is not told again.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from streamgauge.tracer.inputs import Array, Column, Floats, Ragged
from streamgauge.tracer.labels import Labels
from streamgauge.tracer.multivalued import missing_rows

ENOUGH: Final = 100  # values before anything is said of them
MOST: Final = 50  # hints of one incarnation
_SHARE: Final = 0.01
_DELAYS: Final = 1000  # labels before anything is said of how late they come
_SETTLED: Final = 4.0  # of that delay, since the first of them: those that come later had the time to
_SPANS: Final = np.array([1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800])


class Hints:
    """Evidence so far, and what it says.

    >>> hints = Hints()
    >>> hints.predictions(np.linspace(-4.0, 4.0, 200), "probability")
    >>> hints.texts
    ('predictions run from -4 to 4: these look like logits; declare Tracer(predictions="logit")',)
    """

    def __init__(self, declared: frozenset[str] = frozenset()) -> None:
        self._declared = declared
        self._texts: dict[str, str] = {}
        self._now: tuple[str, ...] = ()  # made anew at each change: another thread reads it
        self._nulls: dict[str, int] = {}  # rows of a feature that never had a value
        self._known: set[str] = set()  # features that need no more looks
        self._kinds: dict[str, str] = {}  # of ids, by call
        self._labelled = self._joined = 0
        self._range = (np.inf, -np.inf)
        self._outside = self._predicted = 0
        self._other_labels = self._all_labels = 0
        self._within = np.zeros(len(_SPANS) + 1, np.int64)  # labels by the least span that they came within
        self._since = np.inf  # the first of them

    @property
    def texts(self) -> tuple[str, ...]:
        """What is to be said, in the order in which it was found."""
        return self._now

    def predictions(self, values: Floats, scale: str) -> None:
        """Predictions as they were given."""
        if scale == "logit" or "predictions" in self._texts:
            return
        finite = values[np.isfinite(values)]
        if not len(finite):
            return
        low, high = float(finite.min()), float(finite.max())
        self._predicted += len(finite)
        if low >= 0.0 and high <= 1.0:
            return
        self._outside += int(np.count_nonzero((finite < 0.0) | (finite > 1.0)))
        self._range = (min(self._range[0], low), max(self._range[1], high))
        if self._predicted >= ENOUGH and self._outside > _SHARE * self._predicted and self._range[0] < -_SHARE:
            span = f"predictions run from {self._range[0]:.3g} to {self._range[1]:.3g}"
            self._say("predictions", f'{span}: these look like logits; declare Tracer(predictions="logit")')

    def labels(self, given: Array, mapped: Floats) -> None:
        """Labels as they were given, and as they were read."""
        wrong = np.isinf(mapped)
        self._all_labels += len(mapped)
        if not wrong.any() or "labels" in self._texts:
            return
        self._other_labels += int(np.count_nonzero(wrong))
        if self._all_labels >= ENOUGH and self._other_labels > _SHARE * self._all_labels:
            self._say("labels", _of_labels(given[wrong]))

    def ids(self, call: str, ids: Array) -> None:
        """Ids of one call, to tell numbers from text."""
        if call not in self._kinds and len(ids):
            first = ids[0]
            self._kinds[call] = "text" if isinstance(first, (str, bytes)) else "numbers"

    def joined(self, settled: int, labels: int, waiting: int) -> None:
        """Of labels that came, how many found a sample that waited."""
        seen, named = self._kinds.get("observe"), self._kinds.get("label")
        self._joined += settled
        self._labelled += labels if waiting or settled or seen is None else 0
        if self._joined:
            self._take_back("join")
        elif self._labelled >= ENOUGH and named is not None:
            self._say("join", f"none of {self._labelled:,} labels found a sample that waits: {_of_join(seen, named)}")

    def delays(self, delay: Floats, now: float, horizon: float) -> None:
        """How long after their samples labels became known, by `now`; `horizon` is H of the cohorts; seconds.

        H is what a job attributes to a sample, for a person to declare; where nobody has, 95 of 100 delays say it.
        """
        known = delay[~np.isnan(delay)]
        self._since = min(self._since, now)
        self._within += np.bincount(np.searchsorted(_SPANS, known), minlength=len(self._within))
        total = int(self._within.sum())
        place = int(np.searchsorted(np.cumsum(self._within), 0.95 * total))
        if total < _DELAYS or place == len(_SPANS) or now - self._since < _SETTLED * (usual := float(_SPANS[place])):
            return
        is_long, is_short = horizon == Labels().horizon and 4.0 * usual <= horizon, horizon < usual / 2.0
        if is_long or is_short:
            self._say("delays", _of_delays(usual, horizon))
        else:
            self._take_back("delays")

    def feature(self, name: str, column: Column) -> None:
        """One column; nothing is looked at twice that has had a value."""
        if name in self._known:
            return
        present = len(column) - missing_rows(column)
        if isinstance(column, Ragged):
            present = len(column.values)
        if present:
            self._known.add(name)
            self._take_back(f"null {name}")
            if self._declared and name not in self._declared and name.removesuffix(".weight") not in self._declared:
                self._say(f"unknown {name}", f"feature {name} is not among the declared ones: is it misspelt?")
            return
        rows = self._nulls[name] = self._nulls.get(name, 0) + len(column)
        if rows >= ENOUGH:
            self._say(f"null {name}", f"feature {name} had no value in its first rows")

    def _say(self, key: str, text: str) -> None:
        if key in self._texts or len(self._texts) < MOST:
            self._texts.setdefault(key, text)
            self._now = tuple(self._texts.values())

    def _take_back(self, key: str) -> None:
        if self._texts.pop(key, None):
            self._now = tuple(self._texts.values())


def _of_join(seen: str | None, named: str) -> str:
    """Why labels find no sample, and the remedy."""
    if seen is not None and seen != named:
        return f"ids are {seen} in observe and {named} in label"
    why = "this worker has seen none with an id" if seen is None else "their ids are of other samples"
    return f"{why}; where other workers see them, declare Labels(across=64)"


def _of_labels(wrong: Array) -> str:
    examples = ", ".join(sorted({str(value)[:20] for value in wrong[:1000].tolist()})[:4])
    found = {str(value) for value in wrong.tolist()}
    if found <= {"-1", "-1.0"}:
        return 'labels are -1 and +1; declare Labels(scale="sign")'
    return f"labels such as {examples} are neither 0 nor 1; declare Labels(scale=...) or Labels(positive=...)"


def _of_delays(usual: float, horizon: float) -> str:
    """What H is beside the delays, and the remedy."""
    found = f"95 of 100 labels come within {usual:,.0f} s and Labels.horizon is {horizon:,.0f} s"
    what = "comes that much later" if horizon > usual else "is without the later ones"
    return f"{found}: what is by cohort {what}; declare Labels(horizon={usual:.0f})"
