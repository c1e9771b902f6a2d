"""Episodes: what the pager keeps of each occurrence of an alert, and the constants that bound it.

An episode is one occurrence of one alert, from its first record until it is over and stayed over for `clear_hold`. It
is in exactly one of five states:

    pending -> sent | suppressed | silenced | cleared        suppressed -> pending   its cause ended, it did not
    silenced -> pending   the silence ended                  sent -> (closed)        over, `resolved` is told
    cleared: nothing to tell (information only, or told before); kept until it is over
"""

from __future__ import annotations

import math
from typing import Final, Literal, NamedTuple

import msgspec

from streamgauge.anomaly.types import Alert, Kind, Reason, Silence, Suppressed, Topology, fingerprint

VERSION: Final = 1
NEVER: Final = math.inf
STALE: Final = 14 * 86400.0  # unheard of for so long, an episode is over: a dead detector hides nothing for ever
LOOKED_AT: Final = 32  # candidates looked at on one node, newest first: bounds the work of a storm on one node
LISTED: Final = 500  # folded alerts that a notification carries; the counts say how many there were
ENDED: Final = 64  # closed roots whose after-effects are recognised
REMEMBERED: Final = 4096  # closed episodes whose identity is kept, so that none pages twice
LEVEL: Final = {"info": 0, "ticket": 1, "page": 2, "page-now": 3}  # nothing is hidden beneath what is less

State = Literal["pending", "sent", "suppressed", "silenced", "cleared"]


class Waits(NamedTuple):
    """How long the pager waits and what it folds, in seconds: `pipelines.config.schema.Paging`, field by field."""

    grace: float
    max_wait: float
    tolerance: float
    hop_delay: float
    max_hops: int
    clear_hold: float
    recover: float
    group: float
    repeat: float
    digest: float
    remind: tuple[float, ...] = ()


class Episode(msgspec.Struct, array_like=True, kw_only=True, eq=False, gc=False):
    """One occurrence of one alert; the only mutable record of the pager. None holds another, so there are no cycles."""

    alert: Alert
    kind: Kind
    order: int  # of arrival
    seen: float  # the pager's clock when it was last heard of
    latest: float  # start of its last occurrence, after flaps were absorbed
    state: State = "pending"
    reason: Reason = Reason(decision="waiting", text="new")
    since: float = 0.0  # in this state
    hold: float = 0.0  # not decided before, unless a cause turns up
    due: float = NEVER  # the next thing to do with it
    close: float = NEVER  # over, and over for good at this time
    ended: float | None = None  # the pager's clock when its end was heard
    flaps: int = 0
    carried: int = 0  # order in which it began to carry others
    is_forced: bool = False  # somebody wants it paged
    is_acked: bool = False
    explained: str = ""  # episode of a root that was found after this one was sent
    outlived: str = ""  # episode of the ended root that it waits for to pass, or has outlived
    notification: str = ""
    told: float = 0.0
    updates: int = 0
    folded: list[Suppressed] = []
    grouped: list[Alert] = []
    folded_count: int = 0
    untold: int = 0  # folded since it was last told
    heirs: list[str] = []  # episodes that outlived it and were released
    id: str = ""  # of the occurrence: the alert's, kept because it is asked for all the time
    first: float = 0.0  # when it was told first, or grew graver since
    is_demoted: bool = False  # told as a ticket, though it would page: the budget was used
    is_risen: bool = False  # graver than when it was told, which is to be told at once

    def __post_init__(self) -> None:
        """A state of an older release keeps no identity."""
        self.id = self.id or self.alert.episode

    @property
    def is_over(self) -> bool:
        """Its end is known; it stays open until `close` in case it comes back."""
        return self.alert.end is not None

    @property
    def blur(self) -> float:
        """How uncertain its onset is: from the start of the first anomalous window to the moment it was found."""
        return max(0.0, self.alert.arrival - self.alert.start)

    @property
    def timer(self) -> float:
        """When something must be done with it."""
        return min(self.due, self.close, self.seen + STALE)

    @property
    def pages(self) -> bool:
        """Whether it wakes somebody."""
        return LEVEL[self.alert.severity] >= LEVEL["page"] and not self.is_demoted

    @property
    def is_budgeted(self) -> bool:
        """Whether it wakes somebody only while the page budget lasts: a hard fact always does."""
        return self.alert.severity == "page" and self.kind != "fact" and not self.is_forced

    @property
    def carries(self) -> bool:
        """Whether others can be folded beneath it: it was sent, or its root was."""
        return self.state in ("sent", "suppressed")


class Snapshot(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """Everything that a ledger's future depends on."""

    version: int = VERSION
    number: int
    count: int
    carried: int
    topology: Topology
    episodes: tuple[Episode, ...]
    recent: tuple[Episode, ...]
    told: tuple[str, ...]
    silences: tuple[Silence, ...]
    calm_until: float = -NEVER


def notification_id(episode: str, kind: str) -> str:
    """The identity of what is told: the same for the same episode and kind, on every run.

    >>> notification_id("ab-1.000", "firing") == notification_id("ab-1.000", "firing")
    True
    """
    return fingerprint(episode, kind)
