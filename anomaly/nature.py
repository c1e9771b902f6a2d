"""Which detector speaks for a series now: selection in the stream, and again when the series changes its nature.

Every candidate scores every window, and what it was worth is known in the next: its loss is the negative logarithm of
the density that it gave to the value, under Student's t with 4 degrees of freedom, `log s + 2.5 log(1 + z^2 / 4)`,
averaged over about a day (prequential likelihood, Dawid 1984). The seasonal reference is the prior: a rival takes over
only if it is better by more than `MARGIN` nats a window, and, once a series is grown up, only after the reference has
failed twice within a day with good windows between: a level that moves fails once, a rhythm that vanishes fails twice
a day. The reference gets the series back when it is about as good: hysteresis of `MARGIN - RETURN` nats.

Of the rivals the level of the last half day speaks (`steady_ewma`), unless that of the last hour is clearly better: it
is for series that wander, and takes whatever lasts for an hour for normal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np

from streamgauge.anomaly.columns import Arrays, Column, empty, pack, pick, unpack
from streamgauge.anomaly.detectors.robust_ewma import RobustEwma
from streamgauge.anomaly.reference import Bools, Floats, Moment, Rows

MARGIN: Final = 1.0  # nats a window: a density e times as high
RETURN: Final = 0.2
FAILURES: Final = 1.3  # of the reference, each fading over a day: two within about a day
QUICKER: Final = 0.1  # nats by which the last hour must be better than the last half day
WORST: Final = 30.0  # sigmas that a loss counts at most
DAYS: Final = 3  # of windows before anything is chosen
SEASONAL: Final = "seasonal_robust"
# The rivals of the seasonal reference; each entry of the chosen column is a place in (SEASONAL, *RIVALS).
RIVALS: Final[Mapping[str, Mapping[str, float]]] = {
    "robust_ewma": {"memory": 4.0, "steady": 100.0}, "steady_ewma": {"memory": 48.0},
}  # fmt: skip
NAMES: Final = (SEASONAL, *RIVALS)
QUICK, STEADY = 1, 2
UNTRIED: Final = 100.0  # nats, of a rival that an older release did not have


class _State(msgspec.Struct, array_like=True, frozen=True):
    memory: float
    arrays: bytes
    rivals: tuple[bytes, ...]


class Nature:
    """The detectors of `series` series and which one speaks for each.

    Args:
        series: how many series.
        memory: windows that a loss is averaged over: about a day.
    """

    def __init__(self, series: int = 0, memory: float = 96.0) -> None:
        self.memory = float(memory)
        self._arrays: Arrays = empty(_COLUMNS, series)
        self._rivals: list[Any] = [RobustEwma(series, **parameters) for parameters in RIVALS.values()]

    @property
    def chosen(self) -> Rows:
        """The place in `NAMES` of each series' detector."""
        return self._arrays["chosen"].astype(np.int64)

    def losses(self) -> Floats:
        """Mean loss of every candidate, shape [series, len(NAMES)], in nats a window."""
        losses: Floats = self._arrays["losses"].astype(np.float64)
        return losses

    def recent(self, level: Floats, at: Moment, floor: Floats) -> Floats:
        """Sigmas from the last hours, as the first rival has them, whoever speaks; `floor` is the least spread."""
        return self._scored(self._rivals[QUICK - 1], level, at, floor)

    def steady(self, level: Floats, at: Moment, floor: Floats) -> Floats:
        """Sigmas from the last half day, whoever speaks."""
        return self._scored(self._rivals[STEADY - 1], level, at, floor)

    def center(self) -> Floats:
        """Where the chosen rivals see their series, NaN for the reference's own."""
        return self._of_rival(lambda rival: rival.center())

    def spread(self, floor: Floats) -> Floats:
        """The standard deviations that they expect, at least `floor`."""
        return self._of_rival(lambda rival: np.hypot(rival.spread(), floor))

    def learn(
        self, level: Floats, at: Moment, z: Floats, s: Floats, floor: Floats, failed: Bools, mature: Bools
    ) -> Rows:
        """What each candidate was worth; then the rivals learn. `z` and `s` are the reference's, `failed` its rejects.

        Returns the series that another detector speaks for from now on.
        """
        arrays, known = self._arrays, np.isfinite(level) & np.isfinite(z)
        scores = [z, *(self._scored(rival, level, at, floor) for rival in self._rivals)]
        widths = [s, *(np.hypot(rival.spread(), floor) for rival in self._rivals)]
        gain = 1.0 / np.minimum(arrays["seen"] + 1.0, self.memory)
        for place, (one, width) in enumerate(zip(scores, widths, strict=True)):
            loss = np.log(np.maximum(width, 1e-300)) + 2.5 * np.log1p(np.square(np.clip(one, -WORST, WORST)) / 4.0)
            old = arrays["losses"][:, place]
            arrays["losses"][:, place] = np.where(known & np.isfinite(loss), old + gain * (loss - old), old)
        again = known & failed & (arrays["failing"] == 0)
        arrays["failures"] = np.where(known, arrays["failures"] * (1.0 - 1.0 / self.memory) + again, arrays["failures"])
        arrays["failing"] = np.where(known, failed, arrays["failing"]).astype("|u1")
        arrays["seen"] = np.minimum(arrays["seen"] + known, 1_000_000).astype("<i4")
        for rival in self._rivals:
            rival.learn(level, at, known)
        return self._choose(mature)

    def reindex(self, index: Rows) -> None:
        """Keep the series `index`, in that order; -1 is a new one."""
        self._arrays = pick(_COLUMNS, self._arrays, index)
        for rival in self._rivals:
            rival.reindex(index)

    def snapshot(self) -> bytes:
        """All state, exactly."""
        rivals = tuple(rival.snapshot() for rival in self._rivals)
        return msgspec.msgpack.encode(_State(self.memory, pack(self._arrays), rivals))

    @classmethod
    def restore(cls, data: bytes) -> Nature:
        """What `snapshot` was taken of."""
        state = msgspec.msgpack.decode(data, type=_State)
        nature = cls(0, state.memory)
        nature._arrays = unpack(state.arrays)
        series, missing = len(nature._arrays["seen"]), len(RIVALS) - len(state.rivals)
        untried = np.full((series, missing), UNTRIED)
        nature._arrays["losses"] = np.concatenate([nature._arrays["losses"], untried], axis=1)
        added = list(RIVALS.values())[len(state.rivals) :]
        nature._rivals = [
            *(RobustEwma.restore(one) for one in state.rivals), *(RobustEwma(series, **one) for one in added)
        ]
        return nature

    def _choose(self, mature: Bools) -> Rows:
        arrays = self._arrays
        losses, chosen = arrays["losses"], arrays["chosen"]
        quicker = losses[:, STEADY] - losses[:, QUICK]
        best = np.where(quicker > np.where(chosen == QUICK, 0.0, QUICKER), QUICK, STEADY)
        ahead = losses[:, 0] - losses[np.arange(len(losses)), best]
        may = (arrays["seen"] >= DAYS * self.memory) & (~mature | (arrays["failures"] >= FAILURES))
        taken = np.where(may & (chosen == 0) & (ahead > MARGIN), best, np.where(chosen > 0, best, chosen))
        arrays["chosen"] = np.where((chosen > 0) & (ahead < RETURN), 0, taken).astype("|i1")
        return np.flatnonzero(arrays["chosen"] != chosen)

    def _scored(self, rival: Any, level: Floats, at: Moment, floor: Floats) -> Floats:
        """A rival's score with a spread of at least `floor`: a constant past does not make any change infinite."""
        spread = rival.spread()
        scored: Floats = rival.score(level, at) * (spread / np.hypot(spread, floor))
        return scored

    def _of_rival(self, ask: Any) -> Floats:
        chosen = self._arrays["chosen"]
        out = np.full(len(chosen), np.nan)
        for place, rival in enumerate(self._rivals, 1):
            out = np.where(chosen == place, ask(rival), out)
        return out


_COLUMNS: Final = {
    "losses": Column("<f8", (len(NAMES),)), "chosen": Column("|i1"), "failures": Column("<f8"),
    "failing": Column("|u1"), "seen": Column("<i4"),
}  # fmt: skip
