"""How an episode changes its state, with all that hangs on it: folded, released, closed, and when it is told again."""

from __future__ import annotations

from typing import Final

from streamgauge.anomaly.suppression.episodes import LISTED, NEVER, Episode, Waits
from streamgauge.anomaly.suppression.ledger import Ledger
from streamgauge.anomaly.suppression.stages import Verdict
from streamgauge.anomaly.suppression.wording import listed, place
from streamgauge.anomaly.types import Reason, Suppressed

FLAPS: Final = 3  # returns after which an alert flaps: told even while it is down, held open for longer
FLAP_HOLD: Final = 4.0  # times `clear_hold`
SHOWN_HEIRS: Final = 5
Told = list[tuple[Episode, str, Reason]]  # what is to be told when all of one time is decided: whom, status, why


def fold(ledger: Ledger, episode: Episode, verdict: Verdict, now: float) -> None:
    """Beneath a root, which lists it."""
    episode.outlived = ""
    ledger.move(episode, "suppressed", verdict.reason, now)
    settle(ledger, episode, now)
    root = ledger.episodes[verdict.reason.root]
    if root.is_over and not episode.is_over:
        settle(ledger, root, now)
    root.folded_count += 1
    root.untold += 1
    if len(root.folded) < LISTED:
        root.folded.append(Suppressed(episode.alert, verdict.reason))
    schedule(ledger, root)


def close(ledger: Ledger, episode: Episode, now: float, told: Told) -> None:
    """An episode is over for good: what was told is told to be over, and what is left of it is closed with it."""
    if not episode.is_over:
        ledger.set_end(episode, episode.seen, now)
    state, reason = episode.state, _end_reason(ledger, episode)
    ledger.say(episode, now, "cleared", reason)
    if state == "suppressed":
        hand_on(ledger, episode)
    ledger.remove(episode)
    if state != "sent":
        return
    told.append((episode, "resolved", reason))
    ledger.ended.close(episode)
    for alert in episode.grouped:
        other = ledger.episodes.get(alert.episode)
        if other is not None and other.explained == episode.id:
            other.explained = ""
            schedule(ledger, other)
    for member in ledger.tables.members(episode):
        close(ledger, member, now, told)


def _end_reason(ledger: Ledger, episode: Episode) -> Reason:
    old = episode.reason
    text, decision = "over" if episode.state != "pending" else "over before it was told", "resolved"
    left = [heir for name in episode.heirs if (heir := ledger.episodes.get(name)) is not None and not heir.is_over]
    if left:
        names = list(dict.fromkeys(place(heir.alert.node) for heir in left))
        text = f"{place(episode.alert.node)} is over; still: {listed(names, SHOWN_HEIRS)}"
        decision = "handed over"
    return Reason(
        decision=decision, text=text, cause=old.cause, root=old.root or episode.outlived, path=old.path, gap=old.gap,  # type: ignore[arg-type]
        topology=ledger.graph.revision,
    )  # fmt: skip


def hand_over(ledger: Ledger, root: Episode, now: float) -> list[Episode]:
    """A root is over and what still fires beneath it had its time: released, to be told or folded under another."""
    heirs = ledger.tables.firing_members(root)
    for heir in heirs:
        release(ledger, heir, now, now, f"{place(root.alert.node)} is over", root.id)
    root.heirs += [heir.id for heir in heirs]
    return heirs


def release(ledger: Ledger, episode: Episode, now: float, hold: float, text: str, root: str = "") -> None:
    """A suppressed alert is taken from its root: judged again at `hold`."""
    reason = Reason(decision="waiting", text=text, cause=root, root=root, topology=ledger.graph.revision)
    episode.outlived, episode.hold = root, hold
    free(ledger, episode, reason, now, hold)


def free(ledger: Ledger, episode: Episode, reason: Reason, now: float, due: float) -> None:
    """Undecided again: what hung on it hangs on its own cause, and the root it leaves no longer waits for it."""
    hand_on(ledger, episode)
    root = ledger.root_of(episode) if episode.state == "suppressed" else None
    ledger.move(episode, "pending", reason, now, due=due)
    settle(ledger, episode, now)
    if root is not None and root.is_over:
        settle(ledger, root, now)


def hand_on(ledger: Ledger, episode: Episode) -> None:
    """What hung on a suppressed alert that leaves hangs on that alert's own cause from now on."""
    for child in ledger.tables.children(episode):
        ledger.tables.reparent(child, episode.reason.cause)


def schedule(ledger: Ledger, root: Episode) -> None:
    """When a sent root is told again."""
    if root.state != "sent":
        return
    waits, times = ledger.waits, [NEVER]
    if root.is_risen:
        times.append(root.told)
    if not root.is_over and waits.repeat > 0 and not (root.is_acked or root.explained):
        times.append(_next_repeat(root, waits))
    if waits.digest > 0 and ledger.tables.has_members(root):
        times.append(root.told + waits.digest)
    root.due = min(times)
    ledger.timers.arm(root)


def _next_repeat(root: Episode, waits: Waits) -> float:
    """A page that nobody acknowledged is repeated soon, then again and again like everything else."""
    soon = [root.first + after for after in waits.remind if root.first + after > root.told] if root.pages else []
    return min((*soon, root.told + waits.repeat))


def settle(ledger: Ledger, episode: Episode, now: float) -> None:
    """An episode that is over and decided is closed when it stayed over for long enough.

    A root waits for what still fires beneath it: it gets `recover` to end too, then it is handed over.
    """
    is_closing = episode.ended is not None and episode.state != "pending"
    episode.close = NEVER
    if is_closing:
        episode.close = max(now, (episode.ended or 0.0) + held_open(ledger, episode) + _lingering(ledger, episode))
    if episode.id in ledger.episodes:
        ledger.timers.arm(episode)


def _lingering(ledger: Ledger, episode: Episode) -> float:
    if episode.state == "suppressed":
        return 0.0
    return ledger.waits.recover if episode.state == "sent" and ledger.is_firing(episode) else 0.0


def held_open(ledger: Ledger, episode: Episode) -> float:
    """How long an episode that is over stays open, in case it comes back."""
    return ledger.waits.clear_hold * (FLAP_HOLD if episode.flaps >= FLAPS else 1.0)
