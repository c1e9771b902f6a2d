"""Which values of a categorical feature come more or less often than is usual for it: the oddest of a window.

At two resolutions: the metric `value_surprise` is about a feature in a window, the `Odd` behind it about the value.
What judges is what `detection.categorical` names; both are memories that learn from normal windows
(`stream.values_seen`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from streamgauge.anomaly.categorical.spread import NEW, Odd
from streamgauge.pipelines.metrics import Values, View
from streamgauge.pipelines.statistics.measures import values
from streamgauge.tracer.summaries import Heavy

SKETCH: Final = "values_seen"  # names of the memories: one a feature
NETWORK: Final = "values_network"  # and one of all features
NAME: Final = "value_surprise"
CHANCE: Final = 0.4343  # standard deviation of a surprise where nothing happens: 1 / ln 10, as of any `-log10 p`
_NAMED: Final = re.compile(r"; value ([0-9a-f]{16}) has ")


def value_surprise(view: View) -> Values:
    """`-log10` of the chance of the oddest value's rows, for as many values as were looked at."""
    odd = oddities(view)
    heavy = view.sketches(Heavy, "sample", "profile")
    return values(list(odd), [(one.surprise, float(heavy[entity].total), CHANCE, 0.0) for entity, one in odd.items()])


def oddities(view: View) -> Mapping[str, Odd]:
    """The oddest value of each feature of which enough is known; of the job as a whole."""
    return view.shared("oddities", _judge)


def said(odd: Odd) -> str:
    """The value in words, by its salted hash.

    >>> said(Odd(value=255, rows=120.0, expected=4.1, surprise=30.0))
    'value 00000000000000ff has 120 rows, 4.1 are usual'
    >>> said(Odd(value=NEW, rows=120.0, expected=0.2, surprise=30.0))
    'values never seen before have 120 rows, 0.2 are usual'
    """
    verb, what = ("have", "values never seen before") if odd.value == NEW else ("has", f"value {odd.value:016x}")
    return f"{what} {verb} {odd.rows:,.0f} rows, {odd.expected:,.3g} are usual"


def named(text: str) -> int | None:
    """The value that a text of `said` is about; None where it is about none, or about those never seen.

    >>> named("value_surprise of feature:dest is 30 decades; value 00000000000000ff has 120 rows, 4.1 are usual")
    255
    """
    found = _NAMED.search(text)
    return None if found is None else int(found[1], 16)


def _judge(view: View) -> Mapping[str, Odd]:
    found = view.sketches(Heavy, "sample", "profile")
    if view.config.detection.categorical == "network":
        network = view.memory(NETWORK, "")
        return {} if network is None else network.judge(found, view.length)
    odd = {}
    for entity, heavy in found.items():
        seen = view.memory(SKETCH, entity)
        one = None if seen is None else seen.judge(heavy, view.length)
        if one is not None:
            odd[entity] = one
    return odd
