"""The way of an alert to a page, as one visible list: fold at once, time slices, inhibit, silence, group, deduplicate.

Each stage looks at one undecided alert and says what becomes of it, or `None`: the next stage may. What no stage keeps
is sent. Stages change nothing; `streamgauge.anomaly.suppression.lifecycle` applies what they say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

from streamgauge.anomaly.suppression.episodes import NEVER, Episode, State
from streamgauge.anomaly.suppression.ledger import Ledger
from streamgauge.anomaly.suppression.relations import (
    coincide,
    coincided_since,
    crosses,
    explains,
    follows_end,
    is_kin,
    is_silenced,
    is_wide,
    may_hide,
    rank,
)
from streamgauge.anomaly.suppression.tables import at_base, heir_of, sent_at
from streamgauge.anomaly.suppression.topology import Way, base_of
from streamgauge.anomaly.suppression.wording import duration, lag, listed, place
from streamgauge.anomaly.types import Alert, Reason

_LONGEST_PATH: Final = 32
_NAMED: Final = 3  # places that a reason names; the rest is counted


class Verdict(NamedTuple):
    """What a stage says of an alert: its state, why, and until when that holds (for pending and silenced)."""

    state: State
    reason: Reason
    until: float = NEVER


DecisionName = Literal[
    "root", "outlived cause", "unknown node", "severity", "unsuppressed", "inhibited", "silenced", "grouped", "waiting"
]
Stage = Callable[[Ledger, Episode, float], Verdict | None]


def time_slices(ledger: Ledger, episode: Episode, now: float) -> Verdict | None:
    """All alerts of one tick are there before one is judged; then each is held until its grace is over."""
    if episode.is_forced or now >= episode.hold:
        return None
    if episode.outlived:
        text = f"its cause ended; it gets {duration(episode.hold - now)} to end too"
        return Verdict("pending", _waiting(ledger, text, episode.outlived), episode.hold)
    what = "to pass: the job was rolled out" if episode.hold == ledger.calm_until else "for a cause to show"
    text = f"held {duration(episode.hold - now)} {what}"
    return Verdict("pending", _waiting(ledger, text), episode.hold)


def fold_at_once(ledger: Ledger, episode: Episode, now: float) -> Verdict | None:
    """Folded under a sent root that explains it, at once; while it is held also under one that it belongs to."""
    if episode.is_forced:
        return None
    found = under_cause(ledger, episode) if ledger.graph.knows(episode.alert.node) else None
    return found or (group(ledger, episode, now) if now < episode.hold else None)


def inhibit(ledger: Ledger, episode: Episode, now: float) -> Verdict | None:
    """Held, within bounds, for a cause that may be sent yet or just ended."""
    if episode.is_forced or not ledger.graph.knows(episode.alert.node):
        return None
    return _behind_rival(ledger, episode, now) or _in_aftermath(ledger, episode, now)


def silence(ledger: Ledger, episode: Episode, now: float) -> Verdict | None:
    """Held back while a silence matches; information is shown, never told."""
    if episode.is_forced:
        return None
    if episode.alert.severity == "info":
        return Verdict("cleared", Reason(decision="severity", text="information: shown, told to nobody"))
    found = [item for item in ledger.silences.values() if is_silenced(item, episode.alert, now)]
    if not found:
        return None
    longest = max(found, key=lambda item: (item.end, item.id))
    text = f"silenced by {longest.author or 'somebody'}: {longest.comment or longest.id}"
    return Verdict("silenced", _reason(ledger, "silenced", text), longest.end)


def group(ledger: Ledger, episode: Episode, now: float) -> Verdict | None:
    """Into the open incident of the same entity, or of the same worker, source or fact within `group` of its onset."""
    if episode.is_forced:
        return None
    found = _left_behind(ledger, episode) or _same_entity(ledger, episode)
    if found is not None:
        return found
    if not ledger.graph.knows(episode.alert.node):
        return None
    for key in ledger.tables.ties(episode):
        for root in ledger.tables.carriers(key, coincided_since(episode, ledger.waits)):
            is_other = root.id != episode.outlived
            if is_other and may_hide(ledger, root, episode) and _is_near(ledger, root, episode, key):
                return _folded(ledger, root, root, episode, _shared(key))
    return None


def _shared(tie: str) -> str:
    """A tie in words."""
    kind = tie.partition(" ")[0]
    return f"the same {tie}" if kind == "worker" else "the same fact" if kind == "fact" else tie


def _left_behind(ledger: Ledger, episode: Episode) -> Verdict | None:
    """Under another that outlived the same root: what is left of one incident is told once."""
    if not episode.outlived:
        return None
    causes = ledger.graph.causes(episode.alert.node)
    for heir in ledger.tables.carriers(heir_of(episode.outlived)):
        if heir.alert.node in causes and may_hide(ledger, heir, episode):
            return _folded(ledger, heir, heir, episode, "left of the same incident")
    return None


def _same_entity(ledger: Ledger, episode: Episode) -> Verdict | None:
    base = base_of(episode.alert.node)
    since = coincided_since(episode, ledger.waits)
    tables = ledger.tables
    for other in (*tables.carriers(sent_at(base), since), *tables.carriers(at_base(base), since)):
        root = ledger.root_of(other)
        if root is None or root.id == episode.outlived or not may_hide(ledger, root, episode):
            continue
        if coincide(other, episode, ledger.waits) and _is_one(root.alert, other.alert, episode.alert):
            return _folded(ledger, other, root, episode, "the same entity")
    return None


def deduplicate(ledger: Ledger, episode: Episode, now: float) -> Verdict | None:
    """An episode is told once, even when it comes back after it was closed."""
    if episode.id in ledger.told:
        return Verdict("cleared", _reason(ledger, "grouped", "told before: the same episode came again"))
    return None


STAGES: Final[tuple[Stage, ...]] = (fold_at_once, time_slices, inhibit, silence, group, deduplicate)


def judge(ledger: Ledger, episode: Episode, now: float) -> Verdict:
    """What becomes of an undecided alert: the first stage that keeps it says so, else it is sent."""
    for stage in STAGES:
        verdict = stage(ledger, episode, now)
        if verdict is not None:
            return verdict
    return Verdict("sent", _root_reason(ledger, episode))


def under_cause(ledger: Ledger, episode: Episode) -> Verdict | None:
    """The verdict under the nearest sent root that explains the alert, if there is one."""
    tables, slack = ledger.tables, 2 * ledger.waits.tolerance
    found = [
        (way.hops, abs(episode.alert.start - cause.alert.start), -cause.alert.score, cause.id, cause, root)
        for node, way in ledger.graph.causes_elsewhere(episode.alert.node)
        if tables.has_carriers(node)
        for cause in tables.carriers(node, episode.alert.start - way.delay - slack)
        if explains(ledger, cause, episode, way)
        and (root := ledger.root_of(cause)) is not None
        and root is not episode
        and root.id != episode.outlived
        and may_hide(ledger, root, episode)
        and not crosses((*_path_to(cause), *way.path))
    ]
    if not found:
        return None
    *_, cause, root = min(found, key=lambda item: item[:4])
    others = sorted({item[5].alert.node for item in found if item[5] is not root})
    way = ledger.graph.causes(episode.alert.node)[cause.alert.node]
    gap = episode.alert.start - root.alert.start
    text = f"follows from {place(root.alert.node)}, {lag(gap)}"
    if others:
        text += f"; {', '.join(place(node) for node in others[:3])} would explain it too"
    path = (*_path_to(cause), *way.path[1:])[:_LONGEST_PATH]
    return Verdict("suppressed", _reason(ledger, "inhibited", text, cause.id, root.id, path, gap))


def _behind_rival(ledger: Ledger, episode: Episode, now: float) -> Verdict | None:
    """Held for the decision on an undecided alert upstream, never beyond `max_wait`."""
    limit = episode.since + ledger.waits.max_wait
    if now >= limit or episode.alert.severity == "page-now":
        return None
    rivals = [
        rival
        for node, way in ledger.graph.causes_elsewhere(episode.alert.node)
        for rival in ledger.tables.pending(node)
        if rival.due > now and may_hide(ledger, rival, episode) and explains(ledger, rival, episode, way)
        and (not ledger.graph.is_cyclic(node, episode.alert.node) or _leads(ledger, rival, episode))
    ]  # fmt: skip
    if not rivals:
        return None
    first = min(rivals, key=lambda rival: (rival.due, rival.id))
    return Verdict("pending", _waiting(ledger, f"waits for {place(first.alert.node)}"), min(first.due, limit))


def _in_aftermath(ledger: Ledger, episode: Episode, now: float) -> Verdict | None:
    """An effect of a root that is closed by now gets the time to pass that a suppressed one would get."""
    alert, waits = episode.alert, ledger.waits
    if episode.outlived or alert.severity == "page-now":
        return None
    until = alert.arrival + waits.recover
    if now >= until:
        return None
    for root in _just_over(ledger, episode):
        if may_hide(ledger, root, episode):
            text = f"after {place(root.alert.node)}, which is over; it gets {duration(until - now)} to end too"
            return Verdict("pending", _waiting(ledger, text, root.id), until)
    return None


def _just_over(ledger: Ledger, episode: Episode) -> Iterator[Episode]:
    """Told roots that are over, closed by now or not, whose end the episode may follow from."""
    alert = episode.alert
    causes, base = ledger.graph.causes(alert.node), base_of(alert.node)
    for root in ledger.ended.at(ledger.graph.bases_around(alert.node)):
        way, is_here = causes.get(root.alert.node), base_of(root.alert.node) == base
        is_same = is_here and is_kin(root.alert, alert) and root.alert.fingerprint != alert.fingerprint
        if is_same:
            way = Way((alert.node,), 0.0)
        elif is_here:
            continue
        if way is not None and follows_end(ledger, root, episode, way):
            yield root


def _leads(ledger: Ledger, one: Episode, other: Episode) -> bool:
    wide = {base: is_wide(ledger, base) for base in (base_of(one.alert.node), base_of(other.alert.node))}
    return rank(ledger, one, wide) < rank(ledger, other, wide)


def _is_one(root: Alert, other: Alert, alert: Alert) -> bool:
    """The same entity as something in the root's incident, and not one worker's beside a root at another worker."""
    is_apart = alert.worker and root.worker not in ("", alert.worker) and not is_kin(root, alert)
    return is_kin(other, alert) and not is_apart


def _is_near(ledger: Ledger, root: Episode, episode: Episode, key: str) -> bool:
    """Begun within `group` of the root, not upstream of it, and nothing that the root cannot move."""
    one, other = root.alert, episode.alert
    if one.node in ledger.graph.effects(other.node) and base_of(one.node) != base_of(other.node):
        return False
    if not key.startswith("worker") and one.worker and other.worker and one.worker != other.worker:
        return False
    way = ledger.graph.effects(one.node).get(other.node)
    if way is not None and not ledger.graph.can_move(way, one.metric, other.metric):
        return False
    return coincide(root, episode, ledger.waits)


def _folded(ledger: Ledger, cause: Episode, root: Episode, episode: Episode, tie: str) -> Verdict:
    gap = episode.alert.start - root.alert.start
    text = f"{tie} as {place(root.alert.node)}, {lag(gap)}"
    path = _path_to(cause)
    path = (path if path[-1] == episode.alert.node else (*path, episode.alert.node))[:_LONGEST_PATH]
    return Verdict("suppressed", _reason(ledger, "grouped", text, cause.id, root.id, path, gap))


def _path_to(cause: Episode) -> tuple[str, ...]:
    """From the root to a sent or suppressed alert."""
    return (cause.alert.node,) if cause.state == "sent" else cause.reason.path


def _root_reason(ledger: Ledger, episode: Episode) -> Reason:
    node = episode.alert.node
    if episode.is_forced:
        return _reason(ledger, "unsuppressed", "somebody asked for it to be told")
    if episode.outlived:
        return _reason(ledger, "outlived cause", "its cause ended and it did not", episode.outlived)
    if not ledger.graph.knows(node):
        return _reason(ledger, "unknown node", f"{place(node)} is not in the topology")
    upstream = len(ledger.graph.causes(node))
    if episode.alert.severity == "page-now" and upstream:
        return _reason(ledger, "severity", "told at once; nothing upstream was known to be broken")
    if not upstream:
        return _reason(ledger, "root", f"nothing lies upstream of {place(node)}")
    if there := [place(name) for name, _ in ledger.graph.causes_elsewhere(node) if ledger.tables.has_carriers(name)]:
        text = f"what is open upstream of {place(node)} does not explain it: {listed(there, _NAMED)}"
        return _reason(ledger, "root", text)
    places = "1 place" if upstream == 1 else f"{upstream} places"
    return _reason(ledger, "root", f"nothing upstream of {place(node)} is broken ({places} looked at)")


def _waiting(ledger: Ledger, text: str, root: str = "") -> Reason:
    return _reason(ledger, "waiting", text, root, root)


def _reason(
    ledger: Ledger, decision: DecisionName, text: str, cause: str = "", root: str = "",
    path: tuple[str, ...] = (), gap: float = 0.0,
) -> Reason:  # fmt: skip
    revision = ledger.graph.revision
    return Reason(
        decision=decision, text=text, cause=cause, root=root, path=path, gap=gap, topology=revision,
    )  # fmt: skip
