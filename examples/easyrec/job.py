"""One worker of the job: shown, predicted, waited for, trained on; sampled negatives weigh what they stand for."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from streamgauge.examples.easyrec.clicks import Clicks
from streamgauge.examples.easyrec.model import HISTORY, deep_fm, inputs_of
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import Transport

TURN: Final = 5.0  # seconds between two steps
DELAY: Final = 8.0  # mean seconds to a click
TIMEOUT: Final = 30.0  # without a click for so long an impression was not clicked
KEPT: Final = 0.25  # of the negatives are trained on
Array = np.ndarray[Any, Any]


class Shown(NamedTuple):
    """Impressions that wait for their labels; arrays of shape [n]."""

    ids: Array
    rows: Clicks
    history: Array
    known: Array  # when the label is, seconds


class Worker:
    """A worker on a clock that is given: `turn` lives through one turn.

    Args:
        config: the job's `streamgauge.toml`.
        name: the worker's.
        clicks: what the stream is drawn from.
        transport: where its traces go.
        start: of the stream, seconds since the epoch.
        rate: impressions a second.
    """

    def __init__(
        self, config: Path, name: str, clicks: Clicks, transport: Transport, *, start: float, rate: float = 100.0
    ) -> None:
        self.now = start
        self.tracer = Tracer.from_config(
            config, name, transport=transport, clock=lambda: self.now, incarnation="1", usage=False
        )
        seed = zlib.crc32(name.encode())
        self._clicks, self._rate, self._random = clicks, rate, np.random.default_rng(seed)
        self._model = deep_fm(seed)
        self._seen = np.zeros((int(clicks.user.max()) + 1, HISTORY), np.int64)  # items by user, the newest last
        self._waiting: list[Shown] = []
        self._next = seed << 24

    def turn(self, now: float, missing: str = "") -> None:
        """Show, predict, learn; the feature `missing` is null."""
        self.now = now
        self._show(now, missing)
        known = self._known(now)
        if known is None:
            self.tracer.idle()
        else:
            self._learn(known)
        self.tracer.beat()

    def _show(self, now: float, missing: str) -> None:
        count = int(self._random.poisson(self._rate * TURN))
        rows = self._clicks.take(self._random.integers(0, len(self._clicks.clicked), count))
        history = self._seen[rows.user]
        ids = np.arange(self._next, self._next + count)
        self._next += count
        predicted = self._predict(rows, history)
        features: dict[str, Any] = {name: getattr(rows, name) for name in Clicks._fields if name != "clicked"}
        features["seen"] = [row[row > 0] for row in history]
        if missing:
            features[missing] = [None] * count
        self.tracer.observe(features, ids=ids, time=now, due=now + TIMEOUT, predictions=predicted)
        clicked_at = now + self._random.exponential(DELAY, count).clip(0.0, TIMEOUT)
        self._waiting.append(Shown(ids, rows, history, np.where(rows.clicked > 0, clicked_at, now + TIMEOUT)))
        self._seen[rows.user] = np.concatenate([history[:, 1:], (rows.item + 1)[:, None]], axis=1)

    def _known(self, now: float) -> Shown | None:
        """Take out of the waiting ones what is known by now."""
        if not self._waiting:
            return None
        every = Shown(
            np.concatenate([one.ids for one in self._waiting]),
            Clicks._make(np.concatenate(parts) for parts in zip(*(one.rows for one in self._waiting), strict=True)),
            np.concatenate([one.history for one in self._waiting]),
            np.concatenate([one.known for one in self._waiting]),
        )
        due = np.flatnonzero(every.known <= now)
        self._waiting = [_some(every, np.flatnonzero(every.known > now))]
        return _some(every, due) if len(due) else None

    def _learn(self, known: Shown) -> None:
        """Labels are told of all; trained is on the positives and a share of the negatives, at its weight."""
        labels = known.rows.clicked
        self.tracer.label(known.ids, labels)
        kept = np.flatnonzero((labels > 0) | (self._random.random(len(labels)) < KEPT))
        if not len(kept):
            self.tracer.idle()
            return
        some = _some(known, kept)
        weights = np.where(some.rows.clicked > 0, 1.0, 1.0 / KEPT)
        inputs, y = inputs_of(some.rows, some.history), some.rows.clicked.astype(np.float32)[:, None]
        loss = float(np.ravel(self._model.train_on_batch(inputs, y, sample_weight=weights.astype(np.float32)))[0])
        self.tracer.step(loss=loss, ids=some.ids, weights=weights)

    def _predict(self, rows: Clicks, history: Array) -> Array:
        if not len(rows.clicked):
            return np.zeros(0)
        return np.asarray(self._model.predict_on_batch(inputs_of(rows, history)), np.float64).ravel()


def _some(shown: Shown, rows: Array) -> Shown:
    return Shown(shown.ids[rows], shown.rows.take(rows), shown.history[rows], shown.known[rows])
