"""What a call of the tracer keeps of its arguments: copies of the selected columns, norms of the selected tensors.

Each column, tensor and argument stands alone: one that cannot be used is refused by its name and the others count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import numpy as np

from streamgauge.tracer import arguments, tables
from streamgauge.tracer.events import (
    CLOCKS,
    Labelled,
    Measured,
    Observed,
    Scalar,
    Served,
    Stepped,
    Tabled,
    Tensor,
    measure,
    without_update,
)
from streamgauge.tracer.head_arguments import HeadArguments
from streamgauge.tracer.inputs import (
    Array,
    Column,
    Floats,
    Ragged,
    Refusal,
    array_of,
    column_of,
    columns_of,
    fault_of_tensor,
    flat_of,
    is_flat,
    numbers_of,
    predictions_of,
    seconds_of,
)
from streamgauge.tracer.inputs.sizes import check_size
from streamgauge.tracer.rows import agreed, misfits, name_of
from streamgauge.tracer.selection import Collection, Entry, Selection
from streamgauge.tracer.settings import Settings

MOST: Final = 10_000  # entries of a catalogue
_PARTS: Final[tuple[tuple[Collection, str], ...]] = (
    ("weights", "weight"),
    ("gradients", "gradient"),
    ("updates", "update"),
    ("activations", "positives"),
)
_TENSORS: Final = frozenset({*(collection for collection, _ in _PARTS), "held_out"})
_NOTHING: Final[dict[str, Any]] = dict.fromkeys(("weight", "gradient", "update", "positives", "touched"))
Emit = Callable[[Collection, str, Any], None]  # takes a raw array that a plan asked for
Refuse = Callable[[str, str], None]  # takes what cannot be used, and why
T = TypeVar("T")


class Capture:
    """The selected parts of arguments; what is seen for the first time goes to `catalogue`."""

    def __init__(
        self, catalogue: dict[tuple[str, str], Entry], emit: Emit, refuse: Refuse, settings: Settings
    ) -> None:
        self._catalogue = catalogue
        self._emit = emit
        self._refuse = refuse
        self._settings = settings
        self.heads = HeadArguments(settings.tasks, self.argument, refuse)
        self._under: Selection | None = None  # the selection that `_usual` is of
        self._usual: set[Any] = set()  # features that are on the catalogue, and taken at every step

    def observed(
        self, now: float, selection: Selection, step: int, features: Any, *, ids: Any, predictions: Any,
        times: Mapping[str, Any], tasks: Mapping[str, Any] | None = None,
    ) -> Observed:
        """What `Tracer.observe` tells."""
        columns = self.argument("features", lambda value: self.features(value, selection, step), features) or {}
        vectors = {
            "ids": self.argument("ids", flat_of, ids),
            "predictions": self.argument("predictions", self._predictions, predictions),
        }
        read = {name: self.argument(name, self._times, value) for name, value in times.items()}
        rows, kept, fitted = self.fitted(columns, vectors, read)
        self._outputs(fitted, selection, step)
        return Observed(
            now, rows, kept, fitted["ids"], fitted["time"], fitted["due"], fitted["written"], fitted["predictions"],
            self.heads.read(tasks, rows, None) if tasks else {},
        )  # fmt: skip

    def served(
        self, now: float, selection: Selection, step: int, features: Any, *, ids: Any, predictions: Any
    ) -> Served | None:
        """What `Tracer.serve` and `Tracer.rescore` tell; None where it tells nothing."""
        columns = self.argument("features", lambda value: self.features(value, selection, step), features)
        vectors = {
            "ids": self.argument("ids", flat_of, ids),
            "predictions": self.argument("predictions", self._predictions, predictions),
        }
        rows, kept, fitted = self.fitted(columns or {}, vectors, {})
        if fitted["ids"] is None:
            return None
        return Served(now, rows, None if columns is None else kept, fitted["ids"], fitted["predictions"])

    def labelled(self, now: float, ids: Any, labels: Any, task: str = "") -> Labelled | None:
        """What `Tracer.label` tells, None where it tells nothing."""
        if task and not self.heads.is_known(task):
            return None
        known, values = self.argument("ids", flat_of, ids), self.argument("labels", flat_of, labels)
        if known is None or values is None:
            return None
        if len(known) != len(values):
            self._refuse("argument:labels", f"{len(values):,} labels for {len(known):,} ids")
            return None
        return Labelled(now, known, values, task) if len(known) else None

    def stepped(
        self, now: float, selection: Selection, step: int, given: Mapping[str, Any], *, loss: Any, rows: Any, time: Any,
        features: Any, tensors: Mapping[str, Tensor] | None, seconds: float | None, skipped: bool, updated: bool,
        tasks: Mapping[str, Any] | None = None,
    ) -> Stepped:  # fmt: skip
        """What `Tracer.step` tells; `given` has the rows' vectors by name."""
        given_tensors = {} if tensors is None else tensors
        if skipped:
            given_tensors = self.argument("tensors", _without_updates, given_tensors) or {}
        measured = self.argument("tensors", lambda value: self.tensors(value, selection, step), given_tensors) or {}
        columns = self.argument("features", lambda value: self.features(value, selection, step), features)
        read = {"ids": flat_of, "labels": flat_of, "predictions": self._predictions, "weights": numbers_of}
        vectors = {name: self.argument(name, read[name], value) for name, value in given.items()}
        times = {"time": self.argument("time", self._times, time)}
        number = self.argument("rows", arguments.count, rows)
        number, kept, fitted = self.fitted(columns or {}, vectors, times, number)
        self._outputs(fitted, selection, step)
        return Stepped(
            now, step, number, self.argument("loss", arguments.number, loss), fitted["ids"], fitted["labels"],
            fitted["predictions"], fitted["weights"], fitted["time"], seconds, bool(skipped), measured,
            None if columns is None else kept, bool(updated),
            self.heads.read(tasks, number, fitted["ids"], fitted["weights"]) if tasks else {},
        )  # fmt: skip

    def scalar(self, now: float, name: str, value: Any, entity: str, clock: str, weight: Any) -> Scalar | None:
        """What `Tracer.scalar` tells, None where it is refused."""
        if clock not in CLOCKS:
            self._refuse(f"scalar:{name}", f"clock must be one of {', '.join(sorted(CLOCKS))}, got {clock!r}")
            return None
        try:
            return Scalar(now, clock, name, entity, arguments.number(value), arguments.number(weight))
        except Exception as error:
            self._refuse(f"scalar:{name}", reason_of(error))
            return None

    def tabled(self, now: float, name: str, given: Mapping[str, Any]) -> Tabled | None:
        """What `Tracer.table` tells, None where it is refused or tells nothing."""
        try:
            told = tables.read(given, self._settings.time_unit)
        except Exception as error:
            self._refuse(f"table:{name}", reason_of(error))
            return None
        return Tabled(now, name, told) if told else None

    def argument(self, name: str, read: Callable[[Any], T], value: Any) -> T | None:
        """One argument of a call, None where it is not given or is refused."""
        if value is None:
            return None
        try:
            check_size(value)
            return read(value)
        except Exception as error:
            self._refuse(f"argument:{name}", reason_of(error))
            return None

    def features(self, features: Any, selection: Selection, step: int) -> dict[str, Column]:
        """Copies of the selected columns; of the usual ones (most columns of most jobs) a look-up and the copy."""
        if selection is not self._under:
            self._under, self._usual = selection, set()
        columns: dict[str, Column] = {}
        usual = self._usual
        for key, values in columns_of(features):
            if key in usual and is_flat(values):
                columns[key] = values.copy()
            else:
                self._column(columns, key, values, selection, step)
        return columns

    def _column(self, columns: dict[str, Column], key: Any, values: Any, selection: Selection, step: int) -> None:
        """One column into those that are kept, if it is to be."""
        name = name_of(key)
        try:
            check_size(values)
            column = column_of(values)
        except Exception as error:
            self._refuse(f"feature:{name}", reason_of(error))
            return
        if ("features", name) not in self._catalogue:
            self._list_column(name, column)
        if selection.takes("features", name, step):
            columns[name] = column
        if selection.takes_array("inputs", name, step):
            self._emit("inputs", name, column.values if isinstance(column, Ragged) else column)
        if type(key) is str and key == name and selection.is_usual(name) and len(self._usual) < MOST:
            self._usual.add(key)

    def tensors(self, tensors: Mapping[str, Tensor], selection: Selection, step: int) -> dict[str, Measured]:
        """Norms and counts of the parts of each tensor that are traced at this step."""
        raw = [selection.has_raw(collection) for collection, _ in _PARTS]
        found: dict[str, Measured] = {}
        for key, tensor in tensors.items():
            name = name_of(key)
            try:
                measured = self._tensor(name, tensor, raw, selection, step)
            except Exception as error:
                self._refuse(f"tensor:{name}", reason_of(error))
                continue
            if measured is not None:
                found[name] = measured
        return found

    def fitted(
        self, columns: Mapping[str, Column], vectors: Mapping[str, Array | None], times: Mapping[str, Floats | None],
        rows: int | None = None,
    ) -> tuple[int, Mapping[str, Column], dict[str, Array | None]]:
        """The rows that most columns and the ids agree on, and the columns, vectors and times that have as many."""
        lengths = [*map(len, columns.values()), *(len(v) for v in vectors.values() if v is not None)]
        if rows is None:
            ids = vectors.get("ids")
            rows = lengths[0] if len(set(lengths)) == 1 else agreed(lengths, None if ids is None else len(ids))
        spans = [len(v) for v in times.values() if v is not None]
        if lengths.count(rows) == len(lengths) and spans.count(rows) + spans.count(1) == len(spans):  # mostly
            return rows, columns, {**vectors, **times}
        odd = {f"argument:{name}": text for name, text in misfits(times, rows, broadcast=True).items()}
        odd |= {f"argument:{name}": text for name, text in misfits(vectors, rows).items()}
        odd |= {f"feature:{name}": text for name, text in misfits(columns, rows).items()}
        columns = {name: column for name, column in columns.items() if f"feature:{name}" not in odd}
        for what, text in odd.items():
            self._refuse(what, text)
        both = {name: None if f"argument:{name}" in odd else v for name, v in {**vectors, **times}.items()}
        return rows, columns, both

    def _predictions(self, values: Any) -> Floats:
        return predictions_of(values, are_logits=self._settings.predictions == "logit")

    def _times(self, values: Any) -> Floats:
        return seconds_of(values, self._settings.time_unit)

    def _outputs(self, vectors: Mapping[str, Array | None], selection: Selection, step: int) -> None:
        """Predictions and labels of a batch, where a plan asks for them."""
        for name in ("predictions", "labels"):
            values = vectors.get(name)
            if values is not None:
                self.list("outputs", name, values)
                if selection.takes_array("outputs", name, step):
                    self._emit("outputs", name, values)

    def _list_column(self, name: str, column: Column) -> None:
        values = column.values if isinstance(column, Ragged) else column
        self.list("features", name, values)
        self.list("inputs", name, values)

    def _tensor(
        self, name: str, tensor: Tensor, raw: list[bool], selection: Selection, step: int
    ) -> Measured | None:
        kept = dict[str, Any]()
        for (collection, part), is_raw in zip(_PARTS, raw):
            value = getattr(tensor, part)
            if value is None:
                continue
            self.list(collection, name, value)
            if selection.takes(collection, name, step):
                kept[part] = value
            if is_raw and np.ndim(value) and selection.takes_array(collection, name, step):
                self._emit(collection, name, value)
        if "update" in kept:  # the ratio needs what was updated
            kept["touched"] = tensor.weight if tensor.touched is None else tensor.touched
        return measure(tensor._replace(**_NOTHING | kept)) if kept or tensor.nonfinite else None

    def list(self, collection: Collection, name: str, value: Any = None) -> None:
        """Put something seen for the first time on the catalogue."""
        if (collection, name) in self._catalogue or len(self._catalogue) >= MOST:
            return
        entry = Entry(name=name, collection=collection)
        if value is not None:
            array = array_of(value)
            entry = Entry(
                name=name, collection=collection, shape=array.shape, dtype=str(array.dtype), bytes=array.nbytes,
                unsupported=fault_of_tensor(array.dtype) if collection in _TENSORS else "",
            )  # fmt: skip
        self._catalogue[collection, name] = entry


def reason_of(error: Exception) -> str:
    """Why something is refused, in one line."""
    text = " ".join(str(error).split())[:250]
    return text if isinstance(error, Refusal) else f"{type(error).__name__}: {text}"


def _without_updates(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: without_update(tensor) for name, tensor in tensors.items()}
