"""What a call says of other heads of the model, read as plain values; what cannot be used is refused by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer import arguments
from streamgauge.tracer.inputs import Array, Floats, flat_of, numbers_of, predictions_of
from streamgauge.tracer.rows import misfits
from streamgauge.tracer.tasks import Head, Task, Told

Read = Callable[[str, Callable[[Any], Any], Any], Any]  # one argument of a call, None where it is refused
Refuse = Callable[[str, str], None]


class HeadArguments:
    """Reads the argument `tasks`; heads that are not declared are refused."""

    def __init__(self, tasks: Sequence[Task], read: Read, refuse: Refuse) -> None:
        self._tasks = {task.name: task for task in tasks}
        self._read, self._refuse = read, refuse

    def is_known(self, task: str) -> bool:
        """Whether it is declared; refused where it is not."""
        if task not in self._tasks:
            known = ", ".join(self._tasks) or "none"
            self._refuse(f"task:{task}", f"no such task; declared in Tracer(tasks=...) are: {known}")
        return task in self._tasks

    def read(
        self, given: Mapping[str, Any], rows: int, ids: Array | None, weights: Floats | None = None
    ) -> dict[str, Told]:
        """What is said of each head; `rows`, `ids` and `weights` are the call's."""
        found = {}
        for task, head in given.items():
            if self.is_known(task):
                told = self._told(self._tasks[task], head, rows, ids, weights)
                if told is not None:
                    found[task] = told
        return found

    def _told(self, task: Task, head: Any, rows: int, ids: Array | None, weights: Floats | None) -> Told | None:
        if not isinstance(head, Head):
            self._refuse(f"task:{task.name}", f"{type(head).__name__} is no Head; give Head(predictions=...)")
            return None
        own = None if head.ids is None else self._argument(task, "ids", flat_of, head.ids)
        if head.ids is not None and own is None:
            return None
        columns = {
            "predictions": self._argument(task, "predictions", self._reader(task), head.predictions),
            "labels": self._argument(task, "labels", flat_of, head.labels),
            "weights": self._argument(task, "weights", numbers_of, head.weights),
        }
        rows = rows if own is None else len(own)
        for name, text in misfits(columns, rows).items():
            self._refuse(f"argument:{task.name}.{name}", text)
            columns[name] = None
        loss = self._argument(task, "loss", arguments.number, head.loss)
        if columns["weights"] is None and own is None:
            columns["weights"] = weights
        return Told(rows, **columns, loss=loss, ids=ids if own is None else own, has_own_rows=own is not None)

    def _argument(self, task: Task, name: str, read: Callable[[Any], Any], value: Any) -> Any:
        return self._read(f"{task.name}.{name}", read, value)

    def _reader(self, task: Task) -> Callable[[Any], NDArray[np.float64]]:
        return lambda values: predictions_of(values, are_logits=task.predictions == "logit")
