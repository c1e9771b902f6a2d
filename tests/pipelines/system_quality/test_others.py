"""The median of the others is what the statistics module says it is."""

from __future__ import annotations

from random import Random
from statistics import median

from streamgauge.pipelines.system_quality.others import Others


def test_the_median_of_the_others_is_that_of_the_rest() -> None:
    random = Random(1)
    for count in (2, 3, 4, 5, 6, 50, 51):
        for spread in (2, 1_000_000):  # with many equal values, and few
            values = {f"w{i}": random.randrange(spread) / 7 for i in range(count)}
            others = Others(values)
            for name in values:
                assert others.median(name) == median(value for other, value in values.items() if other != name)


def test_who_is_alone_has_no_others() -> None:
    assert Others({"w0": 5.0}).median("w0") == 0.0
