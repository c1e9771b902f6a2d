"""What happens to episodes as time passes: arrivals, decisions, ends, releases, repeats; `advance` is the one way in.

Time is an argument. Everything that is due up to a tick is done at that tick, in the order of the deadlines and
stamped with them; at one time arrivals come first, then ends, then decisions in the order of `suppression.rank`. What
is told at one time is told after all of that time was decided, so a page lists what is folded beneath it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from anomaly.episodes import ENDED, LEVEL, LISTED, NEVER, STALE, Episode, Ledger, notification_id
from anomaly.suppression import Verdict, aftermath, explains, group, is_silenced, is_wide, judge, rank, under_cause
from anomaly.topology import base_of
from anomaly.types import Ack, Alert, Anomaly, Notification, Reason, Silence, Suppressed, Unsuppress
from anomaly.wording import duration, place

FLAPS: Final = 3  # returns after which an alert flaps: told even while it is down, held open for longer
FLAP_HOLD: Final = 4.0  # times `clear_hold`


class Arrival(NamedTuple):
    """An anomaly with its place in the topology and in words; `time` by the pager's clock."""

    time: float
    node: str
    text: str
    anomaly: Anomaly


def advance(ledger: Ledger, arrivals: Sequence[Arrival], until: float) -> None:
    """Do everything up to and at `until`. `arrivals` lie between the last call's `until` and this one's."""
    queue = sorted(arrivals, key=_arrival_order)
    taken = 0
    while True:
        now = min(queue[taken].time if taken < len(queue) else NEVER, ledger.next_timer())
        if now > until:
            break
        fresh = []
        while taken < len(queue) and queue[taken].time <= now:
            fresh += arrive(ledger, queue[taken], now)
            taken += 1
        _step(ledger, fresh, now, until)
    _forget(ledger, until)


def arrive(ledger: Ledger, arrival: Arrival, now: float) -> list[Episode]:
    """Take an anomaly in: a new episode (returned), or news of an open one."""
    anomaly = arrival.anomaly
    episode = ledger.live(anomaly.fingerprint)
    if episode is not None:
        _update(ledger, episode, arrival, now)
        return []
    if anomaly.end is not None and anomaly.kind == "anomaly":
        return []  # over before it was heard of
    ledger.count += 1
    episode = Episode(
        alert=_alert(arrival), kind=anomaly.kind, order=ledger.count, seen=now, latest=anomaly.start,
        since=now, hold=now, due=now,
    )  # fmt: skip
    if not ledger.graph.is_top(arrival.node) and anomaly.severity != "page-now":
        episode.hold = now + min(ledger.waits.grace, ledger.waits.max_wait)
    if anomaly.end is not None:
        _end(ledger, episode, anomaly.end, now)
    ledger.add(episode)
    return [episode]


def add_silence(ledger: Ledger, silence: Silence, now: float) -> None:
    """A new silence, or a change of one with the same id; what is silenced now is judged again."""
    ledger.silences[silence.id] = silence
    for episode in [item for item in ledger.episodes.values() if item.state == "silenced"]:
        episode.due = now
        ledger.arm(episode)


def acknowledge(ledger: Ledger, ack: Ack) -> None:
    """Somebody has seen a notification: the incident is not repeated."""
    for episode in ledger.episodes.values():
        kinds = ["firing", *(f"update {i}" for i in range(1, episode.updates + 1))]
        if episode.notification and ack.notification in {notification_id(episode.id, kind) for kind in kinds}:
            episode.is_acked = True
            _schedule(ledger, episode)


def unsuppress(ledger: Ledger, request: Unsuppress, now: float) -> None:
    """Somebody wants a suppressed or silenced alert told for itself."""
    episode = ledger.episodes.get(request.episode)
    if episode is None or episode.state not in ("suppressed", "silenced", "pending"):
        return
    _hand_on(ledger, episode)
    episode.is_forced = True
    text = f"asked for by {request.author or 'somebody'}"
    reason = Reason(decision="unsuppressed", text=text, topology=ledger.graph.revision)
    ledger.move(episode, "pending", reason, now, due=now)


def reconsider(ledger: Ledger, now: float) -> None:
    """After a change of the topology: what is suppressed over a path that is gone is judged again."""
    for episode in [item for item in ledger.episodes.values() if item.state == "suppressed"]:
        cause = ledger.episodes[episode.reason.cause]
        if episode.reason.decision == "inhibited" and cause.alert.node not in ledger.graph.causes(episode.alert.node):
            _release(ledger, episode, now, now, "the topology changed")


def _step(ledger: Ledger, fresh: list[Episode], now: float, until: float) -> None:
    told: list[tuple[Episode, str, Reason]] = []
    due = ledger.take_due(now)
    for episode in sorted(due, key=lambda item: (item.state != "suppressed", item.order)):
        if _is_done(episode, now):
            _close(ledger, episode, now, told)
    open_ = {item.id: item for item in due if item.id in ledger.episodes and item.due <= now}
    undecided = {item.id: item for item in (*fresh, *open_.values()) if item.state in ("pending", "silenced")}
    for episode in _by_rank(ledger, undecided.values()):
        if episode.state in ("pending", "silenced"):
            _decide(ledger, episode, now, told)
    for episode in open_.values():
        if episode.state == "sent" and episode.due <= now:
            _again(ledger, episode, now, until, told)
    for episode in due:
        if episode.id in ledger.episodes:
            ledger.arm(episode)
    for episode, status, reason in told:
        _tell(ledger, episode, status, reason, now)


def _decide(ledger: Ledger, episode: Episode, now: float, told: list[tuple[Episode, str, Reason]]) -> None:
    if episode.is_over and not _is_sticky(episode) and episode.due <= now and episode.state == "pending":
        _close(ledger, episode, now, told)
        return
    verdict = under_cause(ledger, episode) if _may_fold(ledger, episode) else None
    verdict = verdict or (group(ledger, episode, now) if now < episode.hold else None) or judge(ledger, episode, now)
    if verdict.state == "sent":
        _send(ledger, episode, verdict.reason, now, told)
    elif verdict.state == "suppressed":
        _fold(ledger, episode, verdict, now)
    else:
        _hold(ledger, episode, verdict, now)


def _hold(ledger: Ledger, episode: Episode, verdict: Verdict, now: float) -> None:
    if verdict.state == "pending":
        if verdict.reason.root and not episode.outlived:
            episode.outlived, episode.hold = verdict.reason.root, verdict.until
        is_news = episode.reason.decision != "waiting" or episode.reason.text == "new" or episode.state != "pending"
        if is_news:
            ledger.move(episode, "pending", verdict.reason, now, due=verdict.until)
        else:
            episode.due = verdict.until
            ledger.arm(episode)
    elif episode.state != verdict.state or episode.due != verdict.until:
        ledger.move(episode, verdict.state, verdict.reason, now, due=verdict.until)
        _settle(ledger, episode, now)


def _send(
    ledger: Ledger, episode: Episode, reason: Reason, now: float, told: list[tuple[Episode, str, Reason]]
) -> None:
    episode.notification, episode.told = notification_id(episode.id, "firing"), now
    for node, way in ledger.graph.effects(episode.alert.node).items():
        for root in ledger.carriers(node):
            is_apart = base_of(node) != base_of(episode.alert.node)
            if root.state == "sent" and is_apart and explains(episode, root, way, ledger.waits):
                root.explained = episode.id
                episode.grouped.append(root.alert)
                _schedule(ledger, root)
    ledger.move(episode, "sent", reason, now)
    _settle(ledger, episode, now)
    ledger.remember(episode)
    told.append((episode, "firing", reason))
    _gather(ledger, episode, now)
    _schedule(ledger, episode)


def _gather(ledger: Ledger, root: Episode, now: float) -> None:
    """Fold what waits and hangs on a root that was just sent, and what hangs on that; each place is looked at once."""
    front, seen = [root], set[str]()
    while front:
        keys = {key: None for episode in front for key in _around(ledger, episode) if key not in seen}
        seen |= keys.keys()
        near = {item.id: item for key in keys for item in ledger.pending(key)}
        front = []
        for episode in _by_rank(ledger, near.values()):
            if not _may_fold(ledger, episode):
                continue
            verdict = under_cause(ledger, episode) or group(ledger, episode, now)
            if verdict is not None:
                _fold(ledger, episode, verdict, now)
                front.append(episode)


def _around(ledger: Ledger, episode: Episode) -> Iterable[str]:
    """Where what waits for an episode is found: downstream of it, at the same entity, worker and source."""
    alert = episode.alert
    ties = ledger.keys_of(alert) if episode.state == "sent" else ()
    return (*ledger.graph.effects(alert.node), f"base {base_of(alert.node)}", *ties)


def _fold(ledger: Ledger, episode: Episode, verdict: Verdict, now: float) -> None:
    episode.outlived = ""
    ledger.move(episode, "suppressed", verdict.reason, now)
    _settle(ledger, episode, now)
    root = ledger.episodes[verdict.reason.root]
    root.folded_count += 1
    root.untold += 1
    if len(root.folded) < LISTED:
        root.folded.append(Suppressed(episode.alert, verdict.reason))
    _schedule(ledger, root)


def _close(ledger: Ledger, episode: Episode, now: float, told: list[tuple[Episode, str, Reason]]) -> None:
    """An episode is over for good: what was told is told to be over, and what hung on it is released."""
    if not episode.is_over:
        episode.alert = msgspec.structs.replace(episode.alert, end=episode.seen)
        episode.ended = now
    state = episode.state
    text = "over" if state != "pending" else "over before it was told"
    old = episode.reason
    reason = Reason(
        decision="resolved", text=text, cause=old.cause, root=old.root or episode.outlived, path=old.path, gap=old.gap,
        topology=ledger.graph.revision,
    )  # fmt: skip
    ledger.say(episode, now, "cleared", reason)
    if state == "suppressed":
        _hand_on(ledger, episode)
    ledger.remove(episode)
    if state != "sent":
        return
    told.append((episode, "resolved", reason))
    ledger.recent.append(episode)
    del ledger.recent[:-ENDED]
    for alert in episode.grouped:
        other = ledger.episodes.get(alert.episode)
        if other is not None and other.explained == episode.id:
            other.explained = ""
            _schedule(ledger, other)
    for member in ledger.members(episode):
        if member.is_over:
            _close(ledger, member, now, told)
    for member in ledger.members(episode):
        hops = max(1, len(member.reason.path) - 1)
        hold = now + ledger.waits.recover + hops * ledger.waits.hop_delay + member.blur
        _release(ledger, member, now, hold, f"{place(episode.alert.node)} is over", episode.id)


def _release(ledger: Ledger, episode: Episode, now: float, hold: float, text: str, root: str = "") -> None:
    """A suppressed alert without its root: under another one that explains it, else held, then told."""
    _hand_on(ledger, episode)
    reason = Reason(decision="waiting", text=text, cause=root, root=root, topology=ledger.graph.revision)
    episode.outlived, episode.hold = root, hold
    ledger.move(episode, "pending", reason, now, due=hold)
    _settle(ledger, episode, now)
    verdict = under_cause(ledger, episode)
    if verdict is not None:
        _fold(ledger, episode, verdict, now)


def _hand_on(ledger: Ledger, episode: Episode) -> None:
    """What hung on a suppressed alert that leaves hangs on that alert's own cause from now on."""
    for child in ledger.children(episode):
        ledger.reparent(child, episode.reason.cause)


def _again(
    ledger: Ledger, episode: Episode, now: float, until: float, told: list[tuple[Episode, str, Reason]]
) -> None:
    """A repeat or a digest; of several that a long jump of time made due only the last is told."""
    since = now - episode.told
    episode.told = now
    _schedule(ledger, episode)
    is_held = any(is_silenced(item, episode.alert, now) for item in ledger.silences.values())
    if episode.due <= until or is_held:
        return
    episode.updates += 1
    text = f"still there {duration(since)} later" + (f", {episode.untold} more folded" if episode.untold else "")
    told.append((episode, "update", Reason(decision="repeat", text=text, topology=ledger.graph.revision)))


def _tell(ledger: Ledger, episode: Episode, status: str, reason: Reason, now: float) -> None:
    kind = f"update {episode.updates}" if status == "update" else status
    episode.untold = 0
    ledger.out.append(
        Notification(
            id=notification_id(episode.id, kind), job=ledger.job, status=status, time=now, root=episode.alert,  # type: ignore[arg-type]
            reason=reason, text="", suppressed=tuple(episode.folded), grouped=tuple(episode.grouped),
        )
    )


def _schedule(ledger: Ledger, root: Episode) -> None:
    """When a sent root is told again."""
    if root.state != "sent":
        return
    waits, times = ledger.waits, [NEVER]
    if not root.is_over and waits.repeat > 0 and not (root.is_acked or root.explained):
        times.append(root.told + waits.repeat)
    if waits.digest > 0 and ledger.has_members(root):
        times.append(root.told + waits.digest)
    root.due = min(times)
    ledger.arm(root)


def _update(ledger: Ledger, episode: Episode, arrival: Arrival, now: float) -> None:
    """News of an open episode: worse, over, or back again within `clear_hold`."""
    anomaly, old = arrival.anomaly, episode.alert
    if anomaly.start < episode.latest and anomaly.end is not None:
        return  # the end of an occurrence that has come back since
    episode.seen, episode.latest = now, max(episode.latest, anomaly.start)
    worse = anomaly.score > old.score or LEVEL[anomaly.severity] > LEVEL[old.severity]
    severity = max(old.severity, anomaly.severity, key=lambda word: (LEVEL[word], word == "page-now"))
    alert = msgspec.structs.replace(
        old, severity=severity, score=max(old.score, anomaly.score), text=arrival.text if worse else old.text
    )
    if anomaly.end is not None:
        episode.alert = alert
        _end(ledger, episode, anomaly.end, now)
    else:
        if episode.is_over:
            episode.flaps += 1
            reason = Reason(decision="flapping", text=f"back after {duration(now - (episode.ended or now))}")
            ledger.say(episode, now, reason=msgspec.structs.replace(reason, topology=ledger.graph.revision))
        episode.alert = msgspec.structs.replace(alert, end=None)
        episode.ended, episode.close = None, NEVER
        _schedule(ledger, episode)
    _reweigh(ledger, episode, severity != old.severity, now)
    ledger.arm(episode)


def _reweigh(ledger: Ledger, episode: Episode, is_graver: bool, now: float) -> None:
    """A graver alert may no longer be hidden, or wait, or be mere information."""
    if not is_graver:
        return
    if episode.state == "suppressed":
        root = ledger.episodes[episode.reason.root]
        if LEVEL[root.alert.severity] < LEVEL[episode.alert.severity]:
            _release(ledger, episode, now, now, "graver than its cause")
    elif episode.state == "cleared" and episode.id not in ledger.told:
        reason = Reason(decision="waiting", text="graver than information", topology=ledger.graph.revision)
        episode.hold = now
        ledger.move(episode, "pending", reason, now, due=now)
    elif episode.state == "pending" and episode.alert.severity == "page-now":
        episode.hold = episode.due = now


def _end(ledger: Ledger, episode: Episode, end: float, now: float) -> None:
    """The end was heard. What is undecided is decided at its deadline: over by then, it is cleared."""
    episode.alert = msgspec.structs.replace(episode.alert, end=max(end, episode.alert.start))
    episode.ended = now
    if episode.state == "pending" and episode.outlived:
        episode.due = min(episode.due, now + _held_open(ledger, episode))
    _schedule(ledger, episode)
    _settle(ledger, episode, now)


def _held_open(ledger: Ledger, episode: Episode) -> float:
    return ledger.waits.clear_hold * (FLAP_HOLD if episode.flaps >= FLAPS else 1.0)


def _settle(ledger: Ledger, episode: Episode, now: float) -> None:
    """An episode that is over and decided is closed when it stayed over for long enough."""
    is_closing = episode.ended is not None and episode.state != "pending"
    episode.close = max(now, (episode.ended or 0.0) + _held_open(ledger, episode)) if is_closing else NEVER
    if episode.id in ledger.episodes:
        ledger.arm(episode)


def _is_sticky(episode: Episode) -> bool:
    """Told although it is over: a hard fact happened; what flaps is not cleared by being down when its turn comes."""
    return not episode.outlived and (episode.kind == "fact" or episode.flaps >= FLAPS)


def _is_done(episode: Episode, now: float) -> bool:
    return episode.close <= now or episode.seen + STALE <= now


def _may_fold(ledger: Ledger, episode: Episode) -> bool:
    return episode.state == "pending" and not episode.is_forced and ledger.graph.knows(episode.alert.node)


def _by_rank(ledger: Ledger, episodes: Iterable[Episode]) -> list[Episode]:
    items = list(episodes)
    wide = {base: is_wide(ledger, base) for base in {base_of(item.alert.node) for item in items}}
    return sorted(items, key=lambda item: rank(ledger, item, wide))


def _forget(ledger: Ledger, now: float) -> None:
    """Drop roots that nothing can follow from any more, and silences that are over."""
    ledger.recent = [item for item in ledger.recent if now < aftermath(ledger, item)]
    for name in [item.id for item in ledger.silences.values() if item.end <= now]:
        del ledger.silences[name]


def _alert(arrival: Arrival) -> Alert:
    anomaly = arrival.anomaly
    return Alert(
        fingerprint=anomaly.fingerprint, node=arrival.node, job=anomaly.job, domain=anomaly.domain,
        entity=anomaly.entity, worker=anomaly.worker, metric=anomaly.metric, severity=anomaly.severity,
        score=anomaly.score, start=anomaly.start, arrival=arrival.time, text=arrival.text,
    )  # fmt: skip


def _arrival_order(arrival: Arrival) -> tuple[object, ...]:
    """The order within a tick does not depend on the order in the log, except for news of one and the same series."""
    anomaly = arrival.anomaly
    return (arrival.time, anomaly.fingerprint, anomaly.number)
