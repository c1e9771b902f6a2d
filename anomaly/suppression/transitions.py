"""How an episode changes its state, with all that hangs on it: folded, released, closed, and when it is told again."""

from __future__ import annotations

from typing import Final

import msgspec

from streamgauge.anomaly.suppression.episodes import ENDED, LISTED, NEVER, Episode
from streamgauge.anomaly.suppression.ledger import Ledger
from streamgauge.anomaly.suppression.stages import Verdict, under_cause
from streamgauge.anomaly.suppression.wording import place
from streamgauge.anomaly.types import Reason, Suppressed

FLAPS: Final = 3  # returns after which an alert flaps: told even while it is down, held open for longer
FLAP_HOLD: Final = 4.0  # times `clear_hold`
Told = list[tuple[Episode, str, Reason]]  # what is to be told when all of one time is decided: whom, status, why


def fold(ledger: Ledger, episode: Episode, verdict: Verdict, now: float) -> None:
    """Beneath a root, which lists it."""
    episode.outlived = ""
    ledger.move(episode, "suppressed", verdict.reason, now)
    settle(ledger, episode, now)
    root = ledger.episodes[verdict.reason.root]
    root.folded_count += 1
    root.untold += 1
    if len(root.folded) < LISTED:
        root.folded.append(Suppressed(episode.alert, verdict.reason))
    schedule(ledger, root)


def close(ledger: Ledger, episode: Episode, now: float, told: Told) -> None:
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
        hand_on(ledger, episode)
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
            schedule(ledger, other)
    for member in ledger.members(episode):
        if member.is_over:
            close(ledger, member, now, told)
    for member in ledger.members(episode):
        hops = max(1, len(member.reason.path) - 1)
        hold = now + ledger.waits.recover + hops * ledger.waits.hop_delay + member.blur
        release(ledger, member, now, hold, f"{place(episode.alert.node)} is over", episode.id)


def release(ledger: Ledger, episode: Episode, now: float, hold: float, text: str, root: str = "") -> None:
    """A suppressed alert without its root: under another one that explains it, else held, then told."""
    hand_on(ledger, episode)
    reason = Reason(decision="waiting", text=text, cause=root, root=root, topology=ledger.graph.revision)
    episode.outlived, episode.hold = root, hold
    ledger.move(episode, "pending", reason, now, due=hold)
    settle(ledger, episode, now)
    verdict = under_cause(ledger, episode)
    if verdict is not None:
        fold(ledger, episode, verdict, now)


def hand_on(ledger: Ledger, episode: Episode) -> None:
    """What hung on a suppressed alert that leaves hangs on that alert's own cause from now on."""
    for child in ledger.children(episode):
        ledger.reparent(child, episode.reason.cause)


def schedule(ledger: Ledger, root: Episode) -> None:
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


def settle(ledger: Ledger, episode: Episode, now: float) -> None:
    """An episode that is over and decided is closed when it stayed over for long enough."""
    is_closing = episode.ended is not None and episode.state != "pending"
    episode.close = max(now, (episode.ended or 0.0) + held_open(ledger, episode)) if is_closing else NEVER
    if episode.id in ledger.episodes:
        ledger.arm(episode)


def held_open(ledger: Ledger, episode: Episode) -> float:
    """How long an episode that is over stays open, in case it comes back."""
    return ledger.waits.clear_hold * (FLAP_HOLD if episode.flaps >= FLAPS else 1.0)
