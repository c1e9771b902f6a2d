"""What people said of learnt edges, read back from the audit; pure. The last word on an edge counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from streamgauge.anomaly.types import Edge
from streamgauge.pipelines.paging import audit

_WORDS: Final = {"confirm": "confirmed", "withdraw": "withdrawn", "reject": "rejected"}
_ARROW: Final = " -> "  # in no place that is confirmed


class Word(NamedTuple):
    """A person's last word on an edge."""

    cause: str
    effect: str
    verdict: str  # confirmed, withdrawn or rejected
    who: str
    time: float
    text: str  # the evidence that it was given on


def about(cause: str, effect: str) -> str:
    """An edge as the audit names it."""
    return f"{cause}{_ARROW}{effect}"


def words(changes: Iterable[Mapping[str, Any]]) -> list[Word]:
    """The last word on each edge, by edge.

    Args:
        changes: of the job, as `Query.changes` answers them.
    """
    last: dict[tuple[str, str], Word] = {}
    for line in (audit.action(change) for change in changes if change["name"] == audit.ACTED):
        cause, arrow, effect = line["about"].partition(_ARROW)
        if line["what"] in _WORDS and arrow:
            last[cause, effect] = Word(cause, effect, _WORDS[line["what"]], line["who"], line["time"], line["text"])
    return [last[pair] for pair in sorted(last)]


def settled(said: Iterable[Word]) -> frozenset[tuple[str, str]]:
    """The edges that are not to be proposed: taken into the topology with the pager's next tick, or rejected."""
    return frozenset((one.cause, one.effect) for one in said if one.verdict != "withdrawn")


def confirmed(said: Iterable[Word]) -> tuple[Edge, ...]:
    """The edges that were taken into the topology."""
    return tuple(Edge(one.cause, one.effect) for one in said if one.verdict == "confirmed")
