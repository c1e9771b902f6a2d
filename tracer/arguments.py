"""What a tracer is made with, checked, and the single values of its calls."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgauge.tracer.domains import SCALES
from streamgauge.tracer.inputs import Array, Refusal, array_of
from streamgauge.tracer.joins import Labels


def check(*, pane: float, interval: float | None, shards: int, modulus: int) -> None:
    """A tracer that is set up wrongly says so at once: this is before the training starts."""
    if not 0.0 < pane < 1e9:
        raise ValueError(f"pane must be > 0 s, got {pane} (tracer.Tracer)")
    if interval is not None and not 0.0 < interval < 1e9:
        raise ValueError(f"interval must be > 0 s, got {interval} (tracer.Tracer)")
    if shards < 1:
        raise ValueError(f"shards must be >= 1, got {shards} (tracer.Tracer)")
    if modulus < 1 or modulus & (modulus - 1):
        raise ValueError(f"modulus must be a power of two, got {modulus} (tracer.Tracer)")


def check_names(**names: str) -> None:
    """Raises ValueError for a job or worker without a name: all its records would be refused."""
    for name, value in names.items():
        if not isinstance(value, str) or not value:
            raise ValueError(f"{name} must be a name, got {value!r} (tracer.Tracer)")


def check_domains(labels: Labels, predictions: str, time_unit: str) -> None:
    """Raises ValueError for a scale or a unit that there is not."""
    if labels.scale not in SCALES:
        raise ValueError(f"labels.scale must be one of {', '.join(SCALES)}, got {labels.scale!r} (tracer.Tracer)")
    if predictions not in ("probability", "logit"):
        raise ValueError(f'predictions must be "probability" or "logit", got {predictions!r} (tracer.Tracer)')
    if time_unit not in ("s", "ms", "us", "ns"):
        raise ValueError(f"time_unit must be s, ms, us or ns, got {time_unit!r} (tracer.Tracer)")


def number(value: Any) -> float:
    """One number, such as a loss of any library. Raises whatever is wrong with it."""
    return float(array_of(value).reshape(())) if hasattr(value, "shape") and np.size(value) == 1 else float(value)


def count(value: Any) -> int:
    """A number of rows. Raises Refusal for a negative one."""
    found = int(value)
    if found < 0:
        raise Refusal(f"{found} rows; give a count")
    return found


def copied(values: Any) -> Array:
    """A copy of a raw array. Raises Refusal for one without numbers."""
    array = np.array(array_of(values))
    if array.dtype.kind not in "iubfc":
        raise Refusal(f"an array of {array.dtype} has no numbers")
    return array
