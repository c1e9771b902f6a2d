"""What people and configurations ask of the pager: silences, acknowledgements, un-suppressions, another topology."""

from __future__ import annotations

from streamgauge.anomaly.suppression.episodes import notification_id
from streamgauge.anomaly.suppression.ledger import Ledger
from streamgauge.anomaly.suppression.transitions import free, release, schedule
from streamgauge.anomaly.types import Ack, Reason, Silence, Unsuppress


def add_silence(ledger: Ledger, silence: Silence, now: float) -> None:
    """A new silence, or a change of one with the same id; what is silenced now is judged again."""
    ledger.silences[silence.id] = silence
    for episode in [item for item in ledger.episodes.values() if item.state == "silenced"]:
        episode.due = now
        ledger.timers.arm(episode)


def acknowledge(ledger: Ledger, ack: Ack) -> None:
    """Somebody has seen a notification: the incident is not repeated."""
    for episode in ledger.episodes.values():
        kinds = ["firing", *(f"update {i}" for i in range(1, episode.updates + 1))]
        if episode.notification and ack.notification in {notification_id(episode.id, kind) for kind in kinds}:
            episode.is_acked = True
            schedule(ledger, episode)


def unsuppress(ledger: Ledger, request: Unsuppress, now: float) -> None:
    """Somebody wants a suppressed or silenced alert told for itself."""
    episode = ledger.episodes.get(request.episode)
    if episode is None or episode.state not in ("suppressed", "silenced", "pending"):
        return
    episode.is_forced = True
    text = f"asked for by {request.author or 'somebody'}"
    reason = Reason(decision="unsuppressed", text=text, topology=ledger.graph.revision)
    free(ledger, episode, reason, now, now)


def reconsider(ledger: Ledger, now: float) -> None:
    """After a change of the topology: what is suppressed over a path that is gone is judged again."""
    for episode in [item for item in ledger.episodes.values() if item.state == "suppressed"]:
        cause = ledger.episodes[episode.reason.cause]
        if episode.reason.decision == "inhibited" and cause.alert.node not in ledger.graph.causes(episode.alert.node):
            release(ledger, episode, now, now, "the topology changed")
