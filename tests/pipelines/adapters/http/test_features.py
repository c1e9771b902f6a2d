"""The table of features over HTTP: the same rows as JSON and as CSV."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from streamgauge.anomaly.types import Score
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.wire.outputs import PointColumns
from tests.pipelines.adapters.http.test_server import Running

NOW = 1e9  # of the service under test


def missing(rates: dict[str, float]) -> PointColumns:
    one = np.array(list(rates.values())).tobytes()
    return PointColumns(
        job="a", window="short", start=NOW - 7200.0, end=NOW - 3600.0, revision=0, number=1,
        keys=msgspec.msgpack.encode([["", "sample", f"feature:{name}", "missing_rate"] for name in rates]),
        value=one, rows=one, error=one, floor=one, reference=one, low=one, high=one,
    )  # fmt: skip


def test_features_are_told_as_json_and_as_csv_with_the_same_decisions(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    at = {"job": "a", "domain": "overall", "start": NOW - 7200.0, "end": NOW - 3600.0}
    store.write([missing({"gone": 0.99, "=here": 0.01}), Score(**at, micropoints=97_000_000, coverage=1.0)])
    store.close()
    running = Running(tmp_path)
    try:
        status, rows, _ = running.ask("/api/jobs/a/features")
        assert status == 200
        assert {row["name"]: row["decision"] for row in rows} == {"gone": "drop", "=here": "keep"}
        status, text, headers = running.ask("/api/jobs/a/features.csv")
        assert (status, headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
        assert [line.split(",")[:2] for line in text.splitlines()[1:]] == [["gone", "drop"], ["'=here", "keep"]]
        assert running.ask("/api/jobs/a/features?start=5&end=9")[1] == rows_without_history(rows)
        assert running.ask("/api/jobs/nobody/features")[0] == 404
        found = running.ask("/api/jobs/a/against?other=b")[1]
        assert (found["fair"], found["reason"]) == (None, "no window in which both have labelled rows")
        assert running.ask("/api/jobs/a/against?other=nobody")[0] == 404
        assert running.ask("/api/jobs/a/against?other=b&share=1")[0] == 400
    finally:
        running.stop()


def rows_without_history(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """In a range without data the features are still there, and nothing is known of them."""
    nothing = {"missing": None, "decision": "keep", "reason": "too few labels to say what it is worth"}
    plain = [row | nothing | {"history": {"utility": [], "missing": [None] * 30}} for row in rows]
    return sorted(plain, key=lambda row: str(row["name"]))
