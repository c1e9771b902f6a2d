"""Keras 3 on JAX: norms of weights, gradients and updates, computed inside the compiled train step.

During `fit` the values are outside of the model's variables, and looking at the model would bring them in at every
step; so the train step returns what is wanted beside its logs. JAX runs ahead of Python: a step is told when its
values are there, without waiting, in order, at most `AHEAD` steps later.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np

from streamgauge.tracer.frameworks.keras.outside import KEY, OutsideTracer, inner_of, patched
from streamgauge.tracer.selection import Selection
from streamgauge.tracer.tracer import Tensor

AHEAD: Final = 8
_COLUMNS: Final = 4  # gradient, update, weight, nonfinite


class _Pending(NamedTuple):
    """A step that was launched: arrays that may not be there yet."""

    row: Any  # [loss, rows, state]
    norms: Any | None  # [variables, 4]
    raw: dict[tuple[str, str], Any]


class KerasTracer(OutsideTracer):
    """A callback for `fit`."""

    def __init__(self, tracer: Any) -> None:
        super().__init__(tracer)
        self._functions: dict[tuple[bool, tuple[Any, ...]], Any] = {}
        self._pending: deque[_Pending] = deque()
        self._is_uneven = False

    def on_train_begin(self, logs: Any = None) -> None:
        """`fit` begins."""
        self._functions.clear()
        super().on_train_begin(logs)
        traits = self.tracer.tensors.traits
        traits.rebuilds, traits.has_collectives = self._rebuilds, keras.distribution.distribution() is not None
        if self._model_of_fit is not None:
            optimizer = self._model_of_fit.optimizer
            inner = inner_of(optimizer)
            self._is_uneven = inner is not optimizer or bool(inner.gradient_accumulation_steps)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """All steps of the epoch are there now."""
        self._drain(0)

    def _dispatch(self, state: Any, iterator: Any) -> Any:
        """The model's train function: as many steps as an execution holds, each with what is wanted of it."""
        if not self.tracer.is_on:
            self._drain(0)
            result = self._plain(state, iterator)
            self.tracer.step()
            return result
        logs, data = None, next(iterator)
        for left in range(self._model_of_fit.steps_per_execution, 0, -1):
            if self._is_uneven:  # not every batch is a step: which one comes is known only when the last is there
                self._drain(0)
            is_due = self.tracer.tensors.due_steps(len(self._pending) + 1)[-1]
            began = 0.0 if self._functions else time.thread_time()
            logs, state = self._function(is_due)(state, iter([data]))
            if began:
                self.tracer.tensors.traits.first_build = time.thread_time() - began
            logs = self._take(logs)
            data = next(iterator, None) if left > 1 else None
            if data is None:
                break
        return logs, state

    def _take(self, logs: Any) -> Any:
        if not isinstance(logs, dict) or KEY not in logs:
            self._drain(0)
            self.tracer.step()
            return logs
        seen = logs[KEY]
        self._pending.append(_Pending(seen["row"], seen.get("norms"), seen.get("raw", {})))
        self._drain(AHEAD)
        return {name: value for name, value in logs.items() if name != KEY}

    def _drain(self, most: int) -> None:
        """Tell what is there; of what is not, leave at most `most` steps."""
        while self._pending and (len(self._pending) > most or self._pending[0].row.is_ready()):
            self._harmless(self._tell, self._pending.popleft())

    def _tell(self, pending: _Pending) -> None:
        loss, rows, state = np.asarray(pending.row, np.float64).tolist()
        tensors: dict[str, Tensor] = {}
        is_skipped, is_kept = state < 0.0, state == 0.0
        if pending.norms is not None:
            table = np.asarray(pending.norms, np.float64)
            for name, (gradient, update, weight, bad) in zip(self._names, table.tolist()):
                full = Tensor(weight=weight, gradient=gradient, update=update, nonfinite=int(bad))
                tensors[name] = Tensor(weight=weight) if is_skipped else full
            for (collection, name), array in pending.raw.items():
                if self.tracer.tensors.takes_raw(collection, name):  # type: ignore[arg-type]
                    self.tracer.tensors.raw(collection, name, np.asarray(array))  # type: ignore[arg-type]
        loss = None if math.isnan(loss) and rows < 0 else loss
        tensors = {} if is_kept else tensors
        self.tracer.step(loss, rows=round(abs(rows)), tensors=tensors, skipped=is_skipped, updated=not is_kept)

    def _function(self, is_due: bool) -> Any:
        """The compiled function that tells the loss, or that measures what is selected, too."""
        raw = self._raw() if is_due else ()
        made = self._functions.get((is_due, raw))
        if made is None:
            made = self._functions[is_due, raw] = self._build(_Step(self._model_of_fit, is_due, raw))
        return made

    def _rebuilds(self, now: Selection, then: Selection) -> bool:
        """Whether another function is compiled: norms are all in one, raw arrays are chosen."""
        raw = self._raw_of(then)
        return bool(raw) and (True, raw) not in self._functions

    def _build(self, step: Callable[..., Any]) -> Any:
        model = self._model_of_fit
        own = model.train_function
        with patched([(model, "train_step", step)]):
            model.make_train_function(force=True)
        made, model.train_function = model.train_function, own
        return made


class _Step:
    """A train step that says what it did; all of it is traced by JAX, nothing runs at other times."""

    def __init__(self, model: Any, is_due: bool, raw: Sequence[tuple[str, str]]) -> None:
        self._model, self._is_due, self._raw = model, is_due, frozenset(raw)
        self._step = model.train_step

    def __call__(self, state: Any, data: Any) -> Any:
        seen: dict[str, Any] = {}
        optimizer = self._model.optimizer
        apply, update = optimizer.stateless_apply, self._model._loss_tracker.update_state

        def applied(variables: Any, grads: Any, trainable: Any) -> Any:
            result = apply(variables, grads, trainable)
            seen["update"] = (variables, grads, trainable, result[0], result[1])
            return result

        def tracked(values: Any, sample_weight: Any = None) -> Any:
            seen["loss"] = jnp.mean(values)
            return update(values, sample_weight=sample_weight)

        with patched([(optimizer, "stateless_apply", applied), (self._model._loss_tracker, "update_state", tracked)]):
            logs, new = self._step(state, data)
        try:
            return self._told(logs, data, seen), new
        except Exception:  # while JAX traces: nothing has run yet
            return logs, new

    def _told(self, logs: Any, data: Any, seen: dict[str, Any]) -> Any:
        rows = len(next(part for part in jax.tree_util.tree_leaves(data[0]) if part is not None))
        state = self._state(seen["update"][0], seen["update"][-1]) if "update" in seen else 1.0
        row = [seen["loss"], rows, state] if "loss" in seen else [jnp.nan, -rows, state]
        told: dict[str, Any] = {"row": jnp.stack([jnp.asarray(value, jnp.float32) for value in row])}
        if self._is_due and "update" in seen:
            told["norms"], told["raw"] = self._measured(*seen["update"])
        return {**logs, KEY: told}

    def _measured(self, before: Any, grads: Any, old: Any, new: Any, after: Any) -> tuple[Any, dict[Any, Any]]:
        model, optimizer = self._model, self._model.optimizer
        accumulated = self._accumulated(before)
        scale = self._scale(before)
        rows: list[Any] = []
        raw: dict[Any, Any] = {}
        for i, (variable, gradient, a, b) in enumerate(zip(model.trainable_variables, grads, old, new)):
            gradient = jnp.zeros_like(a) if gradient is None else gradient / scale
            if accumulated is not None:
                gradient = (gradient + accumulated[i]) / inner_of(optimizer).gradient_accumulation_steps
            bad = sum(jnp.sum(~jnp.isfinite(values)) for values in (gradient, b - a, b))
            norms = [_norm(values) for values in (gradient, b - a, b)]
            rows.append(jnp.stack([*norms, bad.astype(jnp.float32)]))
            found = {"weights": b, "gradients": gradient, "updates": b - a}
            raw |= {(c, variable.path): v for c, v in found.items() if (c, variable.path) in self._raw}
        return jnp.stack(rows) if rows else jnp.zeros((0, _COLUMNS)), raw

    def _state(self, before: Any, after: Any) -> Any:
        """1: the weights were updated, 0: the gradient was kept for a later update, -1: the optimizer refused it."""
        inner = inner_of(self._model.optimizer)
        at = self._place(inner._iterations)
        state = jnp.where(after[at] % (inner.gradient_accumulation_steps or 1) == 0, 1.0, 0.0)
        return jnp.where(after[at] == before[at], -1.0, state)

    def _accumulated(self, before: Any) -> list[Any] | None:
        """By variable, the gradients kept so far."""
        inner = inner_of(self._model.optimizer)
        if not inner.gradient_accumulation_steps:
            return None
        return [before[self._place(kept)] for kept in inner._accumulated_gradients]

    def _place(self, variable: Any) -> int:
        return next(i for i, one in enumerate(self._model.optimizer.variables) if one is variable)

    def _scale(self, before: Any) -> Any:
        optimizer = self._model.optimizer
        dynamic = getattr(optimizer, "dynamic_scale", None)
        if dynamic is None:
            return optimizer.loss_scale_factor or 1.0
        return before[self._place(dynamic)]


def _norm(values: Any) -> Any:
    return jnp.sqrt(jnp.sum(jnp.square(jnp.abs(values).astype(jnp.float32))))


