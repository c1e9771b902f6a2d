"""Where each traced quantity lies in a worker's columns: read once from the names, and kept."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Names = tuple[tuple[str, str, str], ...]
Place = NDArray[np.int64] | slice
SCALARS: Final = "*"  # the name under which `stat` gives all scalars of the job's own, entity `scalar:NAME`
TRACED: Final = {  # what docs/traces.md names, by clock; anything else is a scalar of the job's own
    "sample": "rows late_rows timed_rows repeats prediction_weight prediction_total",
    "label": "labels positives invalid_labels due overdue expired settled last_label flips"
    " cohort_rows cohort_labelled cohort_positives label_weight cohort_weight flip_labels",
    "train": "rows loss gradient_norm weight_norm update_ratio nonfinite skipped_updates steps"
    " table_rows table_size table_full table_age table_lookups table_unseen table_admitted table_evicted",
    "wall": "rows_seen rows_trained cpu memory dropped"
    " pipeline_records pipeline_late pipeline_dropped pipeline_lost pipeline_overflow pipeline_dead pipeline_waiting"
    " pipeline_failing pipeline_close_time pipeline_hold pipeline_result_age pipeline_state pipeline_disk"
    " pipeline_notified pipeline_untold pipeline_clients",
}
_TRACED: Final = {clock: frozenset(names.split()) for clock, names in TRACED.items()}
_NAME_BYTES: Final = 200  # of a name and its places, about
LAYOUTS: Final = 200_000  # names whose layouts are kept; a cache whose size changes no answer


class Layout(NamedTuple):
    """Where each traced quantity lies in a partial's columns, and its entities in order."""

    entities: dict[tuple[str, str], tuple[str, ...]]
    places: dict[tuple[str, str], Place]


class Layouts:
    """Layouts by the names of a partial."""

    def __init__(self) -> None:
        self._kept: dict[Names, Layout] = {}
        self._size = 0

    @property
    def bytes(self) -> int:
        """About."""
        return self._size * _NAME_BYTES

    def of(self, names: Names) -> Layout:
        """The layout of these names."""
        found = self._kept.get(names)
        if found is None:
            self._size += len(names)
            if self._size > LAYOUTS:
                self._kept, self._size = {}, len(names)
            found = self._kept[names] = lay_out(names)
        return found


def lay_out(names: Names) -> Layout:
    """Columns of each (clock, name), entities sorted; a slice where they lie side by side.

    >>> sorted(lay_out((("train", "margin", ""), ("train", "loss", ""))).entities.items())
    [(('train', '*'), ('scalar:margin',)), (('train', 'loss'), ('',))]
    """
    found: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for column, (clock, name, entity) in enumerate(names):
        is_traced = name in _TRACED.get(clock, ())
        key, label = ((clock, name), entity) if is_traced else ((clock, SCALARS), _scalar(clock, name, entity))
        found.setdefault(key, []).append((label, column))
    entities, places = {}, {}
    for key, pairs in found.items():
        pairs.sort()
        entities[key] = tuple(entity for entity, _ in pairs)
        places[key] = _place([column for _, column in pairs])
    return Layout(entities, places)


def _scalar(clock: str, name: str, entity: str) -> str:
    """The entity of a scalar; one name may be on several clocks."""
    place = f"{clock}.{name}" if clock in ("sample", "label") else name
    return f"scalar:{place}/{entity}" if entity else f"scalar:{place}"


def _place(columns: list[int]) -> Place:
    if columns == list(range(columns[0], columns[0] + len(columns))):
        return slice(columns[0], columns[0] + len(columns))
    return np.array(columns, np.int64)
