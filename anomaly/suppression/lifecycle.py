"""What happens to episodes as time passes: arrivals, decisions, ends, releases, repeats; `advance` is the one way in.

Time is an argument. Everything that is due up to a tick is done at that tick, in the order of the deadlines and
stamped with them; at one time arrivals come first, then ends, then decisions in the order of `suppression.rank`. What
is told at one time is told after all of that time was decided, so a page lists what is folded beneath it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from streamgauge.anomaly.suppression.arrivals import Arrival, arrival_order, arrive
from streamgauge.anomaly.suppression.episodes import NEVER, STALE, Episode, notification_id
from streamgauge.anomaly.suppression.ledger import Ledger
from streamgauge.anomaly.suppression.relations import explains, is_silenced, is_wide, may_hide, rank
from streamgauge.anomaly.suppression.stages import Verdict, group, judge, under_cause
from streamgauge.anomaly.suppression.tables import at_base
from streamgauge.anomaly.suppression.topology import base_of
from streamgauge.anomaly.suppression.transitions import (
    FLAPS,
    Told,
    close,
    fold,
    hand_over,
    schedule,
    settle,
)
from streamgauge.anomaly.suppression.wording import duration
from streamgauge.anomaly.types import Notification, Reason

OVER_BUDGET: Final = "told as a ticket: the pages of this shift are used"


def advance(ledger: Ledger, arrivals: Sequence[Arrival], until: float) -> None:
    """Do everything up to and at `until`. `arrivals` lie between the last call's `until` and this one's."""
    queue = sorted(arrivals, key=arrival_order) if len(arrivals) > 1 else arrivals
    taken = 0
    while True:
        now = min(queue[taken].time if taken < len(queue) else NEVER, ledger.timers.next())
        if now > until:
            break
        fresh = []
        while taken < len(queue) and queue[taken].time <= now:
            fresh += arrive(ledger, queue[taken], now)
            taken += 1
        _step(ledger, fresh, now, until)
    _forget(ledger, until)


def _step(ledger: Ledger, fresh: list[Episode], now: float, until: float) -> None:
    told: Told = []
    due = ledger.timers.pop_due(now)
    heirs, left = _over(ledger, due, now, told) if due else ([], [])
    open_ = {item.id: item for item in due if item.id in ledger.episodes and item.due <= now}
    undecided = {item.id: item for item in (*fresh, *heirs, *open_.values()) if item.state in ("pending", "silenced")}
    for episode in _by_rank(ledger, undecided.values()):
        if episode.state in ("pending", "silenced"):
            _decide(ledger, episode, now, told)
    for root in left:
        close(ledger, root, now, told)
    for episode in open_.values():
        if episode.state == "sent" and episode.due <= now:
            _again(ledger, episode, now, until, told)
    for episode in due:
        if episode.id in ledger.episodes:
            ledger.timers.arm(episode)
    for episode, status, reason in told:
        _tell(ledger, episode, status, reason, now)


def _over(
    ledger: Ledger, due: list[Episode], now: float, told: Told
) -> tuple[list[Episode], list[Episode]]:
    """Close what stayed over; what fires beneath such a root is released (first), and the root (second) closed last.

    So nobody is told that an incident is over before what is left of it was told or folded elsewhere.
    """
    heirs: list[Episode] = []
    left: list[Episode] = []
    for episode in sorted(due, key=lambda item: (item.state != "suppressed", item.order)):
        if episode.id not in ledger.episodes or not _is_done(episode, now):
            continue
        if episode.state == "sent" and (released := hand_over(ledger, episode, now)):
            heirs += released
            left.append(episode)
        else:
            close(ledger, episode, now, told)
    return heirs, left


def _decide(ledger: Ledger, episode: Episode, now: float, told: Told) -> None:
    if episode.is_over and episode.due <= now and episode.state == "pending" and not _is_worth_telling(ledger, episode):
        back_until = (episode.ended or 0.0) + min(ledger.waits.clear_hold, ledger.waits.max_wait)
        if now >= back_until or episode.outlived:
            close(ledger, episode, now, told)
        else:
            episode.due = back_until
            ledger.timers.arm(episode)
        return
    verdict = judge(ledger, episode, now)
    if verdict.state == "sent":
        _send(ledger, episode, verdict.reason, now, told)
    elif verdict.state == "suppressed":
        fold(ledger, episode, verdict, now)
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
            ledger.timers.arm(episode)
    elif episode.state != verdict.state or episode.due != verdict.until:
        ledger.move(episode, verdict.state, verdict.reason, now, due=verdict.until)
        settle(ledger, episode, now)


def _send(ledger: Ledger, episode: Episode, reason: Reason, now: float, told: Told) -> None:
    episode.notification, episode.told, episode.first = notification_id(episode.id, "firing"), now, now
    episode.is_demoted = episode.is_budgeted and not ledger.may_page(now)
    if episode.is_demoted:
        reason = msgspec.structs.replace(reason, text=f"{reason.text}; {OVER_BUDGET}")
    for node, way in ledger.graph.effects_elsewhere(episode.alert.node):
        for root in ledger.tables.carriers(node, episode.alert.start - 2 * ledger.waits.tolerance):
            if root.state == "sent" and may_hide(ledger, episode, root) and explains(ledger, episode, root, way):
                root.explained = episode.id
                episode.grouped.append(root.alert)
                schedule(ledger, root)
    ledger.move(episode, "sent", reason, now)
    settle(ledger, episode, now)
    ledger.remember(episode)
    told.append((episode, "firing", reason))
    _gather(ledger, episode, now)
    schedule(ledger, episode)


def _gather(ledger: Ledger, root: Episode, now: float) -> None:
    """Fold what waits and hangs on a root that was just sent, and what hangs on that; each place is looked at once."""
    front, seen = [root], set[str]()
    while front:
        keys = {key: None for episode in front for key in _around(ledger, episode) if key not in seen}
        seen |= keys.keys()
        near = {item.id: item for key in keys for item in ledger.tables.pending(key)}
        front = []
        for episode in _by_rank(ledger, near.values()):
            if not _may_fold(ledger, episode):
                continue
            verdict = under_cause(ledger, episode) or group(ledger, episode, now)
            if verdict is not None:
                fold(ledger, episode, verdict, now)
                front.append(episode)


def _around(ledger: Ledger, episode: Episode) -> Iterable[str]:
    """Where what waits for an episode is found: downstream of it, at the same entity, worker and source."""
    alert = episode.alert
    ties = ledger.tables.ties(episode) if episode.state == "sent" else ()
    return (*ledger.graph.effects(alert.node), at_base(base_of(alert.node)), *ties)


def _again(
    ledger: Ledger, episode: Episode, now: float, until: float, told: Told
) -> None:
    """A repeat or a digest; of several that a long jump of time made due only the last is told."""
    since, is_risen = now - (episode.first or episode.told), episode.is_risen
    episode.told, episode.is_risen = now, False
    if is_risen:
        _rise(ledger, episode, now)
    schedule(ledger, episode)
    is_held = any(is_silenced(item, episode.alert, now) for item in ledger.silences.values())
    if is_held or (episode.due <= until and not is_risen):
        return
    episode.updates += 1
    if is_risen:
        reason = Reason(decision="severity", text="graver than when it was told first", topology=ledger.graph.revision)
        told.append((episode, "update", reason))
        return
    text = f"still there after {duration(since)}" + (f", {episode.untold} more folded" if episode.untold else "")
    told.append((episode, "update", Reason(decision="repeat", text=text, topology=ledger.graph.revision)))


def _rise(ledger: Ledger, episode: Episode, now: float) -> None:
    """What was told is graver now: whoever acknowledged it saw something less, and its reminders begin anew."""
    episode.is_acked, episode.first = False, now
    episode.is_demoted = episode.is_budgeted and not ledger.may_page(now)


def _tell(ledger: Ledger, episode: Episode, status: str, reason: Reason, now: float) -> None:
    kind = f"update {episode.updates}" if status == "update" else status
    episode.untold = 0
    root = msgspec.structs.replace(episode.alert, severity="ticket") if episode.is_demoted else episode.alert
    ledger.out.append(
        Notification(
            id=notification_id(episode.id, kind), job=ledger.job, status=status, time=now, root=root,  # type: ignore[arg-type]
            reason=reason, text="", suppressed=tuple(episode.folded), grouped=tuple(episode.grouped),
            first=episode.first,
        )
    )


def _is_worth_telling(ledger: Ledger, episode: Episode) -> bool:
    """Told although it is over: a hard fact happened, it comes and goes, or something waits that follows from it."""
    if episode.outlived or episode.hold == ledger.calm_until:
        return False
    if episode.kind == "fact" or episode.flaps >= FLAPS:
        return True
    return any(
        not other.is_over and explains(ledger, episode, other, way) and may_hide(ledger, episode, other)
        for node, way in ledger.graph.effects_elsewhere(episode.alert.node)
        for other in ledger.tables.pending(node)
    )


def _is_done(episode: Episode, now: float) -> bool:
    return episode.close <= now or episode.seen + STALE <= now


def _may_fold(ledger: Ledger, episode: Episode) -> bool:
    return episode.state == "pending" and not episode.is_forced and ledger.graph.knows(episode.alert.node)


def _by_rank(ledger: Ledger, episodes: Iterable[Episode]) -> list[Episode]:
    items = list(episodes)
    if len(items) < 2:
        return items
    wide = {base: is_wide(ledger, base) for base in {base_of(item.alert.node) for item in items}}
    return sorted(items, key=lambda item: rank(ledger, item, wide))


def _forget(ledger: Ledger, now: float) -> None:
    """Drop roots that nothing can follow from any more, and silences that are over."""
    ledger.ended.forget(now)
    if ledger.silences:
        ledger.silences = {name: item for name, item in ledger.silences.items() if item.end > now}
