"""What a step's loss, tensors and predictions measure: points of the open pane, facts where one is not finite."""

from __future__ import annotations

import math

import numpy as np

from streamgauge.tracer import profiles
from streamgauge.tracer.events import Measured
from streamgauge.tracer.inputs import Floats, is_na
from streamgauge.tracer.panes import Pane, Panes


def loss(panes: Pane, loss: float, rows: int) -> None:
    """The mean loss of a step, weighted by its rows."""
    if math.isfinite(loss):
        panes.point("train", "loss", "", loss, float(rows or 1))
    else:
        panes.add("train", "nonfinite", "loss", 1)
        panes.hard("nonfinite", "loss", 1.0)


def tensor(panes: Panes, entity: str, tensor: Measured, rows: int) -> None:
    """Norms, the ratio of the update, dead units and non-finite values of one tensor."""
    for name, norm in (("gradient_norm", tensor.gradient), ("weight_norm", tensor.weight)):
        if norm is not None and math.isfinite(norm):
            panes.point("train", name, entity, norm)
    if tensor.update is not None and tensor.touched is not None:
        ratio = tensor.update / max(tensor.touched, 1e-12)
        if math.isfinite(ratio):
            panes.point("train", "apparent_update_ratio" if tensor.apparent else "update_ratio", entity, ratio)
    if tensor.nonfinite:
        panes.add("train", "nonfinite", entity, tensor.nonfinite)
        panes.hard("nonfinite", entity, float(tensor.nonfinite))
    if tensor.positives is not None and len(tensor.positives):
        panes.count_units(entity, profiles.units(tensor.positives, tensor.rows or rows))


def nonfinite(panes: Pane, entity: str, values: Floats) -> None:
    """A missing mark is no number that went wrong."""
    count = int(np.count_nonzero(~np.isfinite(values) & ~is_na(values)))
    if count:
        panes.add("train", "nonfinite", entity, count)
        panes.hard("nonfinite", entity, float(count))
