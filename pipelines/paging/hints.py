"""What the tensors of an incident say together, and where to look: hints on its text; pure.

Single alerts name a number; a hint reads them together, such as a layer without a gradient whose units are dead. What
the arrays themselves say is `streamgauge tensors diagnose` (docs/diagnoses.md).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from streamgauge.anomaly.suppression.wording import listed
from streamgauge.anomaly.types import Alert

MOST: Final = 3
_WEIGHT: Final = re.compile(r"[/.](kernel|weights?|biases|bias|gamma|beta|embeddings)(/(part|shard)_\d+)?(:\d+)?$")
_OUTPUT: Final = re.compile(r"[/.]?(relu|re_lu|activation|Relu|elu|gelu)\w*(:\d+)?$")


def hints(alerts: Sequence[Alert]) -> list[str]:
    """The most telling first; nothing where no tensor is among the alerts.

    >>> dead = Alert(fingerprint="f", node="train", job="ctr", domain="train", entity="tensor:layer4", worker="",
    ...     metric="dead_units", severity="ticket", score=9.0, start=0.0, arrival=60.0, text="dead_units 93 %")
    >>> hints([dead])[0].split(": ")[0]
    'dead_units 93 % in layer4 since 00:00 UTC'
    """
    tensors = [alert for alert in alerts if alert.entity.startswith("tensor:") or alert.metric in _WHOLE]
    found = [*_nonfinite(tensors), *_dead(tensors), *_depth(tensors), *_moves(tensors)]
    return list(dict.fromkeys(found))[:MOST]


def _nonfinite(alerts: Sequence[Alert]) -> Iterator[str]:
    """Where the first of several began: they are told in the order of the computation."""
    bad = [alert for alert in alerts if alert.metric == "nonfinite"]
    if bad:
        first = min(bad, key=lambda alert: alert.start)
        others = len({alert.entity for alert in bad}) - 1
        rest = f", {others} {'other follows' if others == 1 else 'others follow'}" if others else ""
        yield (
            f"the first value that was not finite is in {_name(first)} since {_clock(first)}{rest}; "
            "`streamgauge trace --emit raw --when nonfinite` keeps the batch of the next one"
        )


def _dead(alerts: Sequence[Alert]) -> Iterator[str]:
    """Dead units, and the layers that get no gradient for it."""
    faded = {_layer(alert): alert for alert in alerts if alert.metric == "gradient_norm"}
    for alert in _of(alerts, "dead_units"):
        share = alert.text.split("(")[0].strip()
        without = f"{_layer(alert)}'s gradient changed at the same time: " if _layer(alert) in faded else ""
        yield (
            f"{without}{share} in {_name(alert)} since {_clock(alert)}: nothing flows back through them; "
            "look at the learning rate and the initialisation"
        )


def _depth(alerts: Sequence[Alert]) -> Iterator[str]:
    for alert in _of(alerts, "vanishing"):
        yield (
            f"gradients vanish since {_clock(alert)}: look for dead or saturated units and for a layer that was frozen "
            "(`streamgauge tensors diagnose` compares the layers by depth)"
        )
    for alert in _of(alerts, "exploding"):
        yield f"gradients explode since {_clock(alert)}: look at the learning rate, at clipping and at the last inputs"


def _moves(alerts: Sequence[Alert]) -> Iterator[str]:
    moved = _of(alerts, "update_ratio")
    if moved:
        names = sorted({_layer(alert) for alert in moved})
        yield (
            f"the step size of {listed(names, MOST)} changed since {_clock(min(moved, key=lambda alert: alert.start))} "
            f"({moved[0].text}): look at the learning rate's schedule and the optimizer"
        )


_WHOLE: Final = frozenset({"vanishing", "exploding", "nonfinite"})


def _of(alerts: Iterable[Alert], metric: str) -> list[Alert]:
    return [alert for alert in alerts if alert.metric == metric]


def _name(alert: Alert) -> str:
    name = alert.entity.removeprefix("tensor:") or "the model"
    return f"{name} at {alert.worker}" if alert.worker else name


def _layer(alert: Alert) -> str:
    """The layer of a tensor: of its weight, its bias, its activation.

    >>> alert = Alert(fingerprint="f", node="train", job="j", domain="train", entity="tensor:dense4/kernel", worker="",
    ...     metric="gradient_norm", severity="ticket", score=1.0, start=0.0, arrival=0.0)
    >>> _layer(alert)
    'dense4'
    """
    return _OUTPUT.sub("", _WEIGHT.sub("", alert.entity.removeprefix("tensor:"))) or "the model"


def _clock(alert: Alert) -> str:
    return f"{datetime.datetime.fromtimestamp(alert.start, datetime.UTC):%H:%M} UTC"
