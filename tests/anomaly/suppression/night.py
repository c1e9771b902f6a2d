"""A night of on-call on a virtual clock: alerts come at given times, ticks pass, all that was decided is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st

from streamgauge.anomaly.suppression import lifecycle
from streamgauge.anomaly.suppression.arrivals import Arrival
from streamgauge.anomaly.suppression.episodes import LEVEL, NEVER, STALE, Episode, Snapshot, Waits
from streamgauge.anomaly.suppression.ledger import Ledger
from streamgauge.anomaly.suppression.topology import worker_of
from streamgauge.anomaly.types import Anomaly, Decision, Edge, Kind, Notification, Severity, Topology

WAITS = Waits(
    grace=45.0, max_wait=300.0, tolerance=20.0, hop_delay=40.0, max_hops=2, clear_hold=60.0, recover=120.0, group=0.0,
    repeat=0.0, digest=0.0,
)  # fmt: skip


def alert(
    time: float, node: str, *, start: float | None = None, end: float | None = None, metric: str = "m",
    severity: Severity = "page", kind: Kind = "anomaly", score: float = 10.0, number: int = 0,
) -> Arrival:  # fmt: skip
    """An anomaly of a node, found at `time`."""
    anomaly = Anomaly(
        kind=kind, job="ctr", worker=worker_of(node), domain="sample", entity=node.partition("@")[0], metric=metric,
        severity=severity, start=time if start is None else start, time=time, end=end, score=score, number=number,
    )  # fmt: skip
    return Arrival(time, node, f"{metric} of {node}", anomaly)


class Night:
    """One job, its pager's ledger, and what came out of it."""

    def __init__(
        self, edges: Iterable[tuple[str, str]], *, nodes: Sequence[str] = (), waits: Waits = WAITS, workers: int = 0
    ) -> None:
        topology = Topology(job="ctr", revision=1, edges=tuple(Edge(*edge) for edge in edges), nodes=tuple(nodes))
        self.ledger = Ledger("ctr", waits, topology, workers=workers)
        self.decisions: list[Decision] = []
        self.notifications: list[Notification] = []
        self.now = 0.0

    def tick(self, now: float, *arrivals: Arrival) -> list[Notification]:
        """Let a tick pass, with what came since the last; the notifications of it."""
        lifecycle.advance(self.ledger, arrivals, now)
        self.now = now
        return self.take()

    def take(self) -> list[Notification]:
        """What came out since the last call."""
        out, self.ledger.out = self.ledger.out, []
        told = [record for record in out if isinstance(record, Notification)]
        self.decisions += [record for record in out if isinstance(record, Decision)]
        self.notifications += told
        return told

    def play(self, arrivals: Iterable[Arrival], until: float, every: float = 10.0) -> list[Notification]:
        """Ticks every `every` seconds up to `until`, each with the alerts of its slice."""
        queue = sorted(arrivals, key=lambda arrival: arrival.time)
        told = []
        while self.now < until:
            now = self.now + every
            due = [arrival for arrival in queue if arrival.time <= now]
            queue = queue[len(due) :]
            told += self.tick(now, *due)
        return told

    def restart(self) -> None:
        """Kill the pager and start it from its snapshot."""
        data = msgspec.msgpack.encode(self.ledger.snapshot())
        waits, workers = self.ledger.waits, self.ledger.workers
        fresh = Ledger("ctr", waits, self.ledger.graph.topology, workers=workers)
        fresh.restore(msgspec.msgpack.decode(data, type=Snapshot))
        self.ledger = fresh

    def states(self) -> dict[str, str]:
        """The state of each open episode by its node and metric."""
        return {f"{e.alert.node} {e.alert.metric}": e.state for e in self.ledger.episodes.values()}

    def firing(self) -> list[str]:
        """The nodes that were told first, in order."""
        return [told.root.node for told in self.notifications if told.status == "firing"]

    def bytes(self) -> bytes:
        """Everything that came out."""
        return msgspec.msgpack.encode([*self.decisions, *self.notifications])


def check(night: Night) -> None:
    """The invariants that hold after every tick (I1-I4, I9, I12)."""
    ledger, now = night.ledger, night.now
    for episode in ledger.episodes.values():
        assert episode.state in ("pending", "sent", "suppressed", "silenced", "cleared")  # I1
        assert ledger.tables.live(episode.alert.fingerprint) is episode
        assert now < episode.timer <= episode.seen + STALE, (episode.state, episode.timer, now)
        if episode.state == "pending":  # I4
            assert episode.due < NEVER
        if episode.state == "suppressed":
            root = _root(ledger, episode)
            assert root.state == "sent"  # I2
            assert LEVEL[root.alert.severity] >= LEVEL[episode.alert.severity]
            assert episode.reason.path  # I9
            assert episode.reason.decision in ("inhibited", "grouped")
            assert ledger.graph.knows(episode.alert.node) or episode.reason.decision == "grouped"  # I12
            assert episode in ledger.tables.members(root)


def check_ends(night: Night, told: Sequence[Notification]) -> None:
    """An incident is called over if nothing fired beneath it, and handed over if something did."""
    for note in (note for note in told if note.status == "resolved"):
        name = note.root.episode
        heirs = [d for d in night.decisions if d.time == note.time and d.state == "pending" and d.reason.root == name]
        assert note.reason.decision == ("handed over" if heirs else "resolved")


def _root(ledger: Ledger, episode: Episode) -> Episode:
    seen = []
    root = episode.reason.root
    while episode.state == "suppressed":
        assert episode.id not in seen, "a cycle of causes"
        seen.append(episode.id)
        assert episode.reason.root == root
        assert episode.reason.cause in ledger.episodes, "the direct cause is closed"  # I3
        episode = ledger.episodes[episode.reason.cause]
    assert episode.id == root
    return episode


def summary(night: Night) -> list[Any]:
    """What was told, without times and identities that depend on them."""
    return sorted((n.status, n.root.node, n.root.metric, len(n.suppressed)) for n in night.notifications)


NODES = ("a", "b", "c", "d", "a@x", "b@x", "c@x", "a@y", "b@y", "e")
edges = st.lists(
    st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)).filter(lambda edge: edge[0] != edge[1]), max_size=14
)


@st.composite
def storms(draw: st.DrawFn) -> list[Arrival]:
    """Alerts on known and unknown nodes with skewed starts, flaps, ends (or none), all severities; in order of time."""
    arrivals = []
    for series in range(draw(st.integers(1, 9))):
        node = draw(st.sampled_from((*NODES, "unknown", "unknown@x")))
        severity = draw(st.sampled_from(("page", "page", "page", "ticket", "page-now", "info")))
        kind = draw(st.sampled_from(("anomaly", "anomaly", "fact")))
        score = float(draw(st.integers(1, 30)))
        time = float(draw(st.integers(0, 200)))
        for _ in range(draw(st.integers(1, 4))):
            lag = draw(st.integers(0, 40))
            metric = f"m{series}"
            common = {"metric": metric, "severity": severity, "kind": kind, "score": score}
            arrivals.append(alert(time + lag, node, start=time, **common))
            if draw(st.booleans()) and draw(st.booleans()):
                break
            end = time + lag + draw(st.integers(1, 400))
            arrivals.append(alert(end + lag, node, start=time, end=end, **common))
            time = end + lag + float(draw(st.integers(1, 200)))
    return sorted(arrivals, key=lambda arrival: arrival.time)
