"""What a tracer says that it refuses is a fact in its own words, and over when it no longer does."""

from __future__ import annotations

import pytest

from streamgauge.anomaly.types import Anomaly
from tests.pipelines.stream.logs import records
from tests.pipelines.stream.test_rules import Story


@pytest.mark.parametrize(
    ("hard", "text", "said", "severity"),
    [
        (("refused", "feature:genres", 1.0), "2 values for 3 rows",
         "the tracer at a refuses feature genres: 2 values for 3 rows", "ticket"),
        (("join_full", "", 0.95), "95 samples wait", "a: 95 samples wait", "page"),
        (("tripped", "", 1.0), "the tracer is off", "a: the tracer is off", "ticket"),
    ],
)  # fmt: skip
def test_a_fact_in_a_record_is_told_in_its_words(
    hard: tuple[str, str, float], text: str, said: str, severity: str
) -> None:
    story = Story()
    story.live(60, "a")
    story.send("a", 60, 1.0, hard=(hard,), texts=(text,))
    story.live(120, "a", since=70)
    begun, over = [item for item in records(story.sent, Anomaly) if item.metric == hard[0]]
    assert (begun.worker, begun.text, begun.severity, begun.end) == ("a", said, severity, None)
    assert over.end is not None
