"""What comes in: a new episode, or news of an open one: worse, over, or back again."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from streamgauge.anomaly.suppression.episodes import LEVEL, NEVER, Episode
from streamgauge.anomaly.suppression.ledger import Ledger
from streamgauge.anomaly.suppression.transitions import held_open, release, schedule, settle
from streamgauge.anomaly.suppression.wording import duration
from streamgauge.anomaly.types import Alert, Anomaly, Reason


class Arrival(NamedTuple):
    """An anomaly with its place in the topology and in words; `time` by the pager's clock."""

    time: float
    node: str
    text: str
    anomaly: Anomaly


def arrive(ledger: Ledger, arrival: Arrival, now: float) -> list[Episode]:
    """Take an anomaly in: a new episode (returned), or news of an open one."""
    anomaly = arrival.anomaly
    episode = ledger.tables.live(anomaly.fingerprint)
    if episode is not None:
        _update(ledger, episode, arrival, now)
        return []
    if anomaly.end is not None and anomaly.kind == "anomaly":
        return []  # over before it was heard of
    ledger.count += 1
    alert = _alert(arrival)
    episode = Episode(
        alert=alert, id=alert.episode, kind=anomaly.kind, order=ledger.count, seen=now, latest=anomaly.start,
        since=now, hold=now, due=now,
    )  # fmt: skip
    if not ledger.graph.is_top(arrival.node) and anomaly.severity != "page-now":
        episode.hold = now + min(ledger.waits.grace, ledger.waits.max_wait)
    if anomaly.severity != "page-now":
        episode.hold = max(episode.hold, ledger.calm_until)
    ledger.add(episode)
    if anomaly.end is not None:
        end(ledger, episode, anomaly.end, now)
    return [episode]


def _update(ledger: Ledger, episode: Episode, arrival: Arrival, now: float) -> None:
    """News of an open episode: worse, over, or back again within `clear_hold`."""
    anomaly, old = arrival.anomaly, episode.alert
    if anomaly.start < episode.latest and anomaly.end is not None:
        return  # the end of an occurrence that has come back since
    episode.seen, episode.latest = now, max(episode.latest, anomaly.start)
    worse = anomaly.score > old.score or LEVEL[anomaly.severity] > LEVEL[old.severity]
    severity = max(old.severity, anomaly.severity, key=LEVEL.__getitem__)
    if worse:
        score = max(old.score, anomaly.score)
        episode.alert = msgspec.structs.replace(old, severity=severity, score=score, text=arrival.text)
    if anomaly.end is not None:
        end(ledger, episode, anomaly.end, now)
    else:
        if episode.is_over:
            _back(ledger, episode, now)
        schedule(ledger, episode)
    _reweigh(ledger, episode, severity != old.severity, now)
    ledger.timers.arm(episode)


def _back(ledger: Ledger, episode: Episode, now: float) -> None:
    """It was over and fires again."""
    episode.flaps += 1
    reason = Reason(decision="flapping", text=f"back after {duration(now - (episode.ended or now))}")
    ledger.say(episode, now, reason=msgspec.structs.replace(reason, topology=ledger.graph.revision))
    ledger.set_end(episode, None, None)
    episode.close = NEVER
    if episode.state == "suppressed":
        settle(ledger, ledger.episodes[episode.reason.root], now)
    if episode.state == "pending":
        episode.due = max(now, episode.hold)


def _reweigh(ledger: Ledger, episode: Episode, is_graver: bool, now: float) -> None:
    """A graver alert may no longer be hidden, or wait, or be mere information."""
    if not is_graver:
        return
    if episode.state == "suppressed":
        root = ledger.episodes[episode.reason.root]
        if LEVEL[root.alert.severity] < LEVEL[episode.alert.severity]:
            release(ledger, episode, now, now, "graver than its cause")
    elif episode.state == "cleared" and episode.id not in ledger.told:
        reason = Reason(decision="waiting", text="graver than information", topology=ledger.graph.revision)
        episode.hold = now
        ledger.move(episode, "pending", reason, now, due=now)
    elif episode.state == "pending" and episode.alert.severity == "page-now":
        episode.hold = episode.due = now
    elif episode.state == "sent":
        episode.is_risen = True
        schedule(ledger, episode)


def end(ledger: Ledger, episode: Episode, end: float, now: float) -> None:
    """The end was heard. What is undecided is decided at its deadline: over by then, it is not told."""
    ledger.set_end(episode, max(end, episode.alert.start), now)
    if episode.state == "pending" and episode.outlived:
        episode.due = min(episode.due, now + held_open(ledger, episode))
    schedule(ledger, episode)
    settle(ledger, episode, now)
    if episode.state == "suppressed":
        settle(ledger, ledger.episodes[episode.reason.root], now)


def _alert(arrival: Arrival) -> Alert:
    anomaly = arrival.anomaly
    return Alert(
        fingerprint=anomaly.fingerprint, node=arrival.node, job=anomaly.job, domain=anomaly.domain,
        entity=anomaly.entity, worker=anomaly.worker, metric=anomaly.metric, severity=anomaly.severity,
        score=anomaly.score, start=anomaly.start, arrival=arrival.time, text=arrival.text,
    )  # fmt: skip


def arrival_order(arrival: Arrival) -> tuple[object, ...]:
    """The order within a tick does not depend on the order in the log, except for news of one and the same series."""
    anomaly = arrival.anomaly
    return (arrival.time, anomaly.fingerprint, anomaly.number)
