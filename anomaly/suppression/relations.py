"""Who may explain, hide or lead whom.

A cause *explains* an effect (`explains`) when there is a path of at most `max_hops` edges along which the one's metric
can move the other's, the cause did not begin after the effect, and the effect began within the path's delay of the
cause's onset: `b.start <= a.start + hops x delay + tolerance`, where the onset of what a long window found lies
anywhere in that window. Only a root that was *sent* and is still open suppresses, so nothing unsent, inhibited or
silenced ever hides anything. What follows from the *end* of a cause is held for a bounded time, never folded.

One entity at the job and at its workers is one thing: such alerts are never cause and effect of each other, they are
grouped, and `rank` says which of them leads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from streamgauge.anomaly.suppression.episodes import LEVEL, Episode, Waits
from streamgauge.anomaly.suppression.ledger import Ledger
from streamgauge.anomaly.suppression.topology import Way, base_of, worker_of
from streamgauge.anomaly.types import Alert, Matcher, Silence

FACT: Final = 1e9  # the score of what is certain


def explains(ledger: Ledger, cause: Episode, effect: Episode, way: Way) -> bool:
    """Whether `effect` may follow from `cause` by its metric and its times; see the module's text."""
    a, b, waits = cause.alert, effect.alert, ledger.waits
    reach = way.delay + waits.tolerance
    if a.start > latest_onset(effect, waits) + waits.tolerance:
        return False
    return b.start <= latest_onset(cause, waits) + reach and ledger.graph.can_move(way, a.metric, b.metric)


def follows_end(ledger: Ledger, cause: Episode, effect: Episode, way: Way) -> bool:
    """Whether `effect` may follow from the *end* of a cause that is over: such as a burst after a stall."""
    a, b, waits = cause.alert, effect.alert, ledger.waits
    if a.end is None or not ledger.graph.can_move(way, a.metric, b.metric):
        return False
    return a.end - waits.tolerance <= latest_onset(effect, waits) and b.start <= a.end + way.delay + waits.tolerance


def latest_onset(episode: Episode, waits: Waits) -> float:
    """The latest time at which it can have begun: its start, or, found by a window longer than that, the window's end.

    What it took to find it is in `tolerance` and in the delay of a hop already.
    """
    alert = episode.alert
    late = alert.arrival - alert.start - waits.tolerance - waits.hop_delay
    return alert.start + late if late > 0.0 else alert.start


def coincided_since(episode: Episode, waits: Waits) -> float:
    """Since when at least what coincides with an episode is known, clocks apart by `tolerance`."""
    return episode.alert.start - waits.group - waits.tolerance


def coincide(one: Episode, other: Episode, waits: Waits) -> bool:
    """Whether two began within `group` of each other, as far as it is known when they began."""
    return (
        one.alert.start <= latest_onset(other, waits) + waits.group
        and other.alert.start <= latest_onset(one, waits) + waits.group
    )


def may_hide(ledger: Ledger, root: Episode, episode: Episode) -> bool:
    """Nothing hides what is graver, and trouble at one worker does not hide what most workers show."""
    one, other = root.alert, episode.alert
    if LEVEL[one.severity] < LEVEL[other.severity]:
        return False
    if root.is_demoted and episode.pages and not episode.is_budgeted:
        return False  # told as a ticket for want of budget: what wakes somebody all the same is not hidden beneath
    if not one.worker or other.worker or base_of(one.node) == base_of(other.node):
        return True
    is_whole = other.score >= FACT or is_common(ledger, base_of(other.node))  # a fact of the job is no worker's doing
    return not is_whole or is_common(ledger, base_of(one.node))


def crosses(path: Sequence[str]) -> bool:
    """Whether a path goes from one worker over the job to another: trouble at one worker never shows at another so.

    >>> crosses(("samples@LGA", "samples", "samples@JFK")), crosses(("samples", "samples@JFK", "labels@JFK"))
    (True, False)
    """
    first, last = worker_of(path[0]), worker_of(path[-1])
    return bool(first and last and first != last) and not all(worker_of(node) for node in path)


def is_kin(one: Alert, other: Alert) -> bool:
    """One entity: at one worker any metric, at two workers the same metric, at the job and a worker any."""
    if base_of(one.node) != base_of(other.node):
        return False
    return one.worker == other.worker or not (one.worker and other.worker) or one.metric == other.metric


def is_common(ledger: Ledger, base: str) -> bool:
    """Whether more than half of the workers, and at least two, show it."""
    workers = {episode.alert.worker for episode in ledger.tables.at_base(base)} - {""}
    return len(workers) >= 2 and 2 * len(workers) > ledger.workers


def is_wide(ledger: Ledger, base: str) -> bool:
    """Whether the job leads, not a worker.

    It does when it is common to most workers; or when the job's own deviation is larger than that of any worker: pooled
    evidence grows with what all share and shrinks with what one does alone.
    """
    if not ledger.tables.is_at_workers(base):
        return True
    worst: dict[str, float] = {}
    for episode in ledger.tables.at_base(base):
        worker = episode.alert.worker
        worst[worker] = max(worst.get(worker, 0.0), episode.alert.score)
    job = worst.pop("", 0.0)
    return is_common(ledger, base) or job > max(worst.values(), default=0.0)


def rank(ledger: Ledger, episode: Episode, wide: Mapping[str, bool]) -> tuple[object, ...]:
    """Who leads among alerts of one time: a strict order, smaller first.

    What was sent; then causes before effects; then breadth, severity, sharpness (a window longer than a hop says
    little of when), onset, score and name.
    """
    alert = episode.alert
    is_led = (alert.worker == "") != wide.get(base_of(alert.node), False)
    is_blurred = episode.blur > ledger.waits.tolerance + ledger.waits.hop_delay
    return (
        not episode.carries, *ledger.graph.depth(alert.node), is_led, -LEVEL[alert.severity], is_blurred, alert.start,
        -alert.score, alert.node, alert.metric, episode.id,
    )  # fmt: skip


def is_silenced(item: Silence, alert: Alert, now: float) -> bool:
    """Whether a silence holds an alert back now."""
    return item.start <= now < item.end and all(_matches(matcher, alert) for matcher in item.matchers)


def _matches(matcher: Matcher, alert: Alert) -> bool:
    value: str = getattr(alert, matcher.label)
    if matcher.is_regex:
        return re.fullmatch(matcher.value, value) is not None
    return value == matcher.value
