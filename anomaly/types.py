"""The vocabulary of detection and paging: every noun that travels from a score to a notification.

Records here are msgspec array-like structs that open with a version number, as on the wire. Times are seconds since the
UTC epoch, by the clock of the job (stream time in a replay).
"""

from __future__ import annotations

import functools
import hashlib
from typing import Literal, NamedTuple

import msgspec

VERSION = 1

Domain = Literal["sample", "train", "system"]
Severity = Literal["info", "ticket", "page", "page-now"]
Kind = Literal["anomaly", "fact"]


class SeriesKey(NamedTuple):
    """A point's identity. `worker` is `""` for the job as a whole, `entity` `""` for the job or worker itself.

    >>> SeriesKey("flights", "LGA", "sample", "feature:tailnum", "missing_rate").node
    'feature:tailnum@LGA'
    """

    job: str
    worker: str
    domain: Domain
    entity: str
    metric: str

    @property
    def node(self) -> str:
        """The place in the topology that this series watches."""
        return node_of(self.entity or self.domain, self.worker)


def node_of(entity: str, worker: str) -> str:
    """`entity@worker`, or `entity` for the job as a whole: the name of a node in a job's topology."""
    return f"{entity}@{worker}" if worker else entity


class Point(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """One value of one metric over one closed window."""

    version: int = VERSION
    job: str
    worker: str
    domain: str
    entity: str
    metric: str
    start: float
    end: float
    value: float | None  # None: unknown (fewer rows than `min`), never good and never bad
    rows: float = 0.0  # the evidence behind the value, in the metric's own unit of evidence
    error: float = 0.0  # sampling standard error of the value, 0 where it has none
    floor: float = 0.0  # the value that noise alone would give, e.g. psi_floor
    reference: float | None = None  # the learnt normal value for this slot, None while there is none
    low: float | None = None  # reference band, lower and upper
    high: float | None = None
    revision: int = 0
    number: int = 0  # per-job output number, left out of the canonical form

    @property
    def key(self) -> SeriesKey:
        """The series this point belongs to."""
        return SeriesKey(self.job, self.worker, self.domain, self.entity, self.metric)  # type: ignore[arg-type]


class Part(msgspec.Struct, array_like=True, frozen=True):
    """One leaf of a breakdown: `points` of 100 lost to one metric of one entity, in integers of 1e-6 point."""

    domain: str
    entity: str
    worker: str
    metric: str
    micropoints: int
    why: str = ""  # "", "unknown", "cap"


class Score(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """The quality of a job over one closed window, 0..100, with the breakdown that adds up exactly."""

    version: int = VERSION
    job: str
    domain: str  # "sample", "train", "system" or "overall"
    start: float
    end: float
    micropoints: int  # the score in integers of 1e-6 point: 100_000_000 is a perfect 100
    coverage: float  # weight of the known metrics / weight of the expected ones
    parts: tuple[Part, ...] = ()  # their sum is 100_000_000 - micropoints, exactly
    cap: str = ""  # the metric that capped the score, "" if none
    revision: int = 0
    number: int = 0

    @property
    def value(self) -> float:
        """The score as a number in 0..100."""
        return self.micropoints / 1e6


class Anomaly(msgspec.Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """What a detector or a hard fact says about one series: it fires, or (`end` set) it is over.

    An episode is (fingerprint, start): a later record of the same episode updates it, one with `end` closes it.
    """

    version: int = VERSION
    kind: Kind
    job: str
    worker: str
    domain: str
    entity: str
    metric: str
    severity: Severity
    start: float  # event time at which the episode began: the start of the first anomalous window, or the fact's time
    time: float  # the deadline or record time at which this was found
    end: float | None = None  # event time at which it was over; None while it lasts
    value: float | None = None
    expected: float | None = None
    score: float = 0.0  # sigmas, or 1e9 for a hard fact
    detector: str = ""
    incarnation: str = ""
    text: str = ""
    number: int = 0  # per-job output number: the pager deduplicates with one integer a job

    @property
    def key(self) -> SeriesKey:
        """The series that fired."""
        return SeriesKey(self.job, self.worker, self.domain, self.entity, self.metric)  # type: ignore[arg-type]

    @property
    def fingerprint(self) -> str:
        """Stable identity of what fires, independent of when."""
        return fingerprint(self.kind, self.job, self.worker, self.domain, self.entity, self.metric)


class Alert(msgspec.Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """An episode as the pager sees it: an anomaly with its place in the topology."""

    version: int = VERSION
    fingerprint: str
    node: str
    job: str
    domain: str
    entity: str
    worker: str
    metric: str
    severity: Severity
    score: float
    start: float
    arrival: float
    end: float | None = None
    text: str = ""

    @property
    def episode(self) -> str:
        """Identity of this occurrence: fingerprint and start."""
        return f"{self.fingerprint}-{self.start:.3f}"


class Matcher(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One condition of a silence: a label and a value, or a regular expression that must match all of it."""

    label: Literal["job", "worker", "domain", "entity", "metric", "node", "severity"]
    value: str
    is_regex: bool = False


class Silence(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """Notifications that match all `matchers` are held back in [start, end)."""

    version: int = VERSION
    id: str
    job: str
    matchers: tuple[Matcher, ...]
    start: float
    end: float
    author: str = ""
    comment: str = ""


class Ack(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """On-call has seen a notification: its repeats stop."""

    version: int = VERSION
    job: str
    notification: str
    author: str = ""
    comment: str = ""
    time: float = 0.0


class Unsuppress(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """On-call wants a suppressed alert to page for itself."""

    version: int = VERSION
    job: str
    episode: str
    author: str = ""
    time: float = 0.0


class Confirm(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """A person takes a learnt edge into a job's topology, or (`is_withdrawn`) out of it again."""

    version: int = VERSION
    job: str
    cause: str
    effect: str
    delay: float = 0.0
    is_withdrawn: bool = False
    author: str = ""
    time: float = 0.0


class Edge(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """`cause` may explain `effect` within `delay` seconds.

    Which metric can move which: the beginnings of their names, `!` before those that cannot; empty is any.
    """

    cause: str
    effect: str
    delay: float = 0.0
    weight: float = 1.0
    cause_metrics: tuple[str, ...] = ()
    effect_metrics: tuple[str, ...] = ()


class Topology(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """A job's graph of what depends on what; `revision` is stamped on every decision that used it."""

    version: int = VERSION
    job: str
    revision: int
    edges: tuple[Edge, ...]
    nodes: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()  # bases of nodes that something watches: while they are silent they are sound


class Reason(msgspec.Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """Why the pager decided as it did; every decision has one."""

    decision: Literal[
        "root", "outlived cause", "unknown node", "severity", "unsuppressed", "inhibited", "silenced", "grouped",
        "waiting", "repeat", "resolved", "flapping", "handed over",
    ]
    text: str
    cause: str = ""  # episode of the direct cause
    root: str = ""  # episode of the root
    path: tuple[str, ...] = ()  # nodes from the root to this one
    gap: float = 0.0  # seconds from the root's onset to this one's
    topology: int = 0  # revision of the topology


class Suppressed(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One alert folded under a root, with its reason."""

    alert: Alert
    reason: Reason


class Notification(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """What one person is told once; re-sent under the same id after a crash, so receivers can deduplicate."""

    version: int = VERSION
    id: str
    job: str
    status: Literal["firing", "resolved", "update"]
    time: float
    root: Alert
    reason: Reason
    text: str
    suppressed: tuple[Suppressed, ...] = ()
    grouped: tuple[Alert, ...] = ()
    first: float = 0.0  # when it was told first, at its present severity
    owner: str = ""  # of the root's place, by the configuration
    informed: tuple[str, ...] = ()  # owners of the places of what is folded beneath it
    is_escalated: bool = False  # nobody acknowledged it for so long that these are paged, too


class Decision(msgspec.Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """One entry of the audit trail: what the pager decided about one alert, when and why."""

    version: int = VERSION
    job: str
    time: float
    alert: Alert
    state: Literal["pending", "sent", "suppressed", "silenced", "cleared"]
    reason: Reason
    notification: str = ""
    number: int = 0


@functools.lru_cache(maxsize=65_536)
def fingerprint(*labels: str) -> str:
    """16 hex digits that identify a set of labels.

    >>> fingerprint("a", "b") != fingerprint("ab", "")
    True
    """
    return hashlib.blake2b("\x1f".join(labels).encode(), digest_size=8).hexdigest()
