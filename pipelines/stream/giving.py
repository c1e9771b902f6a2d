"""A reference from elsewhere, given to a job in its log: histories of series, distributions of features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.detection.taught import teach
from streamgauge.pipelines.detection.watch import Watch
from streamgauge.pipelines.registry import METRICS
from streamgauge.pipelines.stream.evaluate import Evaluator
from streamgauge.pipelines.wire.given import Given, keys_of


def check(given: Given) -> None:
    """Raises ValueError for a part whose bytes are not what it says."""
    given.table()
    given.columns()


def give(given: Given, time: float, config: JobConfig, watches: Sequence[Watch], evaluator: Evaluator) -> None:
    """Let a job begin with one part of a reference, from windows on that end after `time`.

    Metrics and windows that this job does not have are left out.
    """
    if given.sketches:
        evaluator.give(given.columns(), time)
    places = [i for i, label in enumerate(given.labels) if label[3] in METRICS]
    for watch in watches:
        if watch.spec.name == given.window and places:
            keys = keys_of(config.name, [given.labels[i] for i in places])
            metrics = [METRICS[key.metric] for key in keys]
            values = given.table()[:, places]
            watch.teach(teach(keys, metrics, np.array(given.starts), values, config, watch.spec, time))
