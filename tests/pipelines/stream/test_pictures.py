"""Pictures too large for one message come in parts, and are whole again where they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streamgauge.pipelines.adapters.sqlite.query import SqliteQuery
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.stream.evaluate import Evaluator
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.topics import LARGEST
from streamgauge.tracer.summaries import Histogram
from tests.pipelines.reports import config, partial, presence, report


def test_pictures_of_very_many_features_are_cut_and_read_whole_and_a_shorter_revision_leaves_nothing(
    tmp_path: Path,
) -> None:
    drawn = Histogram.of(np.ones(1))

    def said(count: int, revision: int) -> list[outputs.Profiles]:
        found = [(drawn, "train", "queue_delay", f"{i:05}-{'x' * 900}") for i in range(count)]
        closed = report(partial("a", summaries=found), revision=revision, presences=[presence("a")])
        return [one for one in Evaluator(config()).evaluate(closed).profiles if one.worker == ""]

    many, few = said(3_000, 0), said(10, 1)
    assert [one.part for one in many] == list(range(len(many)))
    assert len(many) > 2
    assert all(len(outputs.encode(one)) < LARGEST for one in many)
    store, query = SqliteStore(tmp_path / "store.db"), SqliteQuery(tmp_path / "store.db")
    store.write(many)
    (row,) = query.profiles("ctr", "", 0.0, 1e12)
    assert (row["window"], len({one["entity"] for one in row["sketches"]})) == ("short", 3_000)
    store.write(few)
    (row,) = query.profiles("ctr", "", 0.0, 1e12)
    assert (row["revision"], len({one["entity"] for one in row["sketches"]})) == (1, 10)
    store.close()
    query.close()
