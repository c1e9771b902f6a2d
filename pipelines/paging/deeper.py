"""What to trace more deeply when an incident is told: a plan for just its tensors, on its worker, for minutes; pure.

What a fault does to a model is often gone after a restart; so it is looked at while it lasts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from streamgauge.anomaly.types import Alert, Notification
from streamgauge.tracer.selection import Budget, Collection, Select

NAME: Final = "deeper"
BUDGET: Final = Budget(max_bytes_s=200_000.0)  # a worker that would send more refuses the plan
MOST: Final = 12  # tensors by name
EVERY: Final = 50  # steps
ROWS: Final = 64
_KINDS: Final[tuple[Collection, ...]] = ("weights", "gradients", "updates")
_STALL: Final = frozenset({"loss", "loss_max", "nonfinite", "gradient_norm", "gradient_norm_max", "exploding"})


class Request(NamedTuple):
    """What is asked for."""

    select: tuple[Select, ...]
    workers: tuple[str, ...]  # none: all
    reason: str


def request_of(notification: Notification) -> Request | None:
    """The request of an incident that has just begun; None where it is not about a layer or the loss.

    Of features everything that may leave a worker is traced already; raw inputs are no request's to make.
    """
    if notification.status != "firing":
        return None
    root = notification.root
    alerts = [root, *notification.grouped, *(item.alert for item in notification.suppressed)]
    selects = [*_of_tensors(alerts), *_of_loss(alerts)]
    if not selects:
        return None
    workers = (root.worker,) if root.worker else ()
    where = root.entity or root.domain
    return Request(tuple(selects), workers, f"incident {notification.id}: {root.metric} of {where}")


def is_within_budget(last: float | None, now: float, length: float) -> bool:
    """Whether a job may be asked again: a request rests for three times as long as it was traced for."""
    return last is None or now - last >= 4.0 * length


def _of_tensors(alerts: Sequence[Alert]) -> list[Select]:
    named = [alert.entity.removeprefix("tensor:") for alert in alerts if alert.entity.startswith("tensor:")]
    names = tuple(dict.fromkeys(named))[:MOST]
    if not names:
        return []
    raw = [Select(collection=kind, names=names, emit="raw", every=EVERY, rows=ROWS) for kind in _KINDS]
    return [*raw, Select(collection="activations", emit="units", every=EVERY)]


def _of_loss(alerts: Sequence[Alert]) -> list[Select]:
    """Where the loss or the gradients leap, the batch of the next loss that is not finite is kept."""
    if not any(alert.metric in _STALL and alert.domain == "train" for alert in alerts):
        return []
    kinds: tuple[Collection, ...] = ("gradients", "outputs")
    return [Select(collection=kind, emit="raw", when="nonfinite", rows=ROWS) for kind in kinds]
