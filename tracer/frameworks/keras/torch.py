"""Keras 3 on PyTorch: norms of weights, gradients and updates, around the optimizer of the traced steps.

The train step runs eagerly, so each step's loss is read from the model's own loss and its tensors around
`optimizer.apply`. A model that Keras compiles (`jit_compile`) tells its steps only.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from streamgauge.tracer.frameworks.keras.outside import OutsideTracer, inner_of, patched
from streamgauge.tracer.frameworks.torch.values import bad, dense, norm, numpy_of, some
from streamgauge.tracer.tracer import Tensor


class KerasTracer(OutsideTracer):
    """A callback for `fit`."""

    def _dispatch(self, data: Any) -> Any:
        """The model's train function, watched."""
        model = self._model_of_fit
        if not self.tracer.is_on or model.jit_compile:
            logs = self._plain(data)
            self.tracer.step()
            return logs
        seen: dict[str, Any] = {"tensors": {}, "before": self._batches()}
        patches = [(model._loss_tracker, "update_state", self._tracking(seen))]
        if self.tracer.tensors.is_due:
            patches.append((model.optimizer, "apply", self._applying(seen)))
        with patched(patches):
            logs = self._plain(data)
        self._harmless(self._tell, seen)
        return logs

    def _batches(self) -> int:
        """Batches whose gradient the optimizer took so far."""
        return int(inner_of(self._model_of_fit.optimizer)._iterations.value)

    def _tracking(self, seen: dict[str, Any]) -> Any:
        update = self._model_of_fit._loss_tracker.update_state

        def tracked(values: Any, sample_weight: Any = None) -> Any:
            seen["loss"], seen["rows"] = values.detach(), sample_weight
            return update(values, sample_weight=sample_weight)

        return tracked

    def _applying(self, seen: dict[str, Any]) -> Any:
        apply = self._model_of_fit.optimizer.apply

        def applied(grads: Any, trainable_variables: Any = None) -> Any:
            grads = list(grads)
            given = self._model_of_fit.trainable_variables if trainable_variables is None else trainable_variables
            variables = list(given)
            kept = self._harmless(self._before, grads, variables)
            result = apply(grads, variables)
            if kept is not None:
                self._harmless(self._after, kept, seen)
            return result

        return applied

    def _before(self, grads: list[Any], variables: list[Any]) -> list[tuple[Any, ...]]:
        """Variable, gradient and the values before; copies, as the update is in place."""
        optimizer = self._model_of_fit.optimizer
        inner, scale = inner_of(optimizer), getattr(optimizer, "dynamic_scale", None)
        factor = float(scale.value) if scale is not None else float(optimizer.loss_scale_factor or 1.0)
        kept = []
        for variable, gradient in zip(variables, grads):
            if gradient is None:
                continue
            values, touched = dense(gradient)
            rows, values = some(variable.value, touched), values / factor
            if inner.gradient_accumulation_steps:
                held = inner._accumulated_gradients[inner._get_variable_index(variable)].value
                values = (values + held.detach()) / inner.gradient_accumulation_steps
            kept.append((variable, values.clone(), rows._replace(values=rows.values.clone())))
        return kept

    def _after(self, kept: list[tuple[Any, ...]], seen: dict[str, Any]) -> None:
        tracer = self.tracer
        for variable, gradient, before in kept:
            whole = variable.value.detach()
            now, sample = whole if before.indices is None else whole[before.indices], some(variable.value, None)
            update = now - before.values
            weight, length = norm(sample.values), norm(gradient)
            odd = bad(gradient, length) + bad(sample.values, weight)
            seen["tensors"][variable.path] = Tensor(
                weight=float(weight) * math.sqrt(sample.times), gradient=float(length), nonfinite=odd,
                update=float(norm(update)) * (times := math.sqrt(before.times)), touched=float(norm(now)) * times,
            )  # fmt: skip
            for collection, values in (("weights", sample.values), ("gradients", gradient), ("updates", update)):
                if tracer.tensors.takes_raw(collection, variable.path):  # type: ignore[arg-type]
                    seen.setdefault("raw", []).append((collection, variable.path, numpy_of(values)))

    def _tell(self, seen: dict[str, Any]) -> None:
        every = inner_of(self._model_of_fit.optimizer).gradient_accumulation_steps or 1
        batches = self._batches()
        is_skipped, is_kept = batches == seen["before"], batches % every != 0
        tensors = seen["tensors"]
        if is_skipped:
            tensors = {name: Tensor(weight=tensor.weight) for name, tensor in tensors.items()}
        if not is_kept or is_skipped:
            for raw in seen.get("raw", ()):
                self.tracer.tensors.raw(*raw)
        loss = seen.get("loss")
        self.tracer.step(
            loss=None if loss is None else float(torch.mean(loss)), rows=int(seen.get("rows") or 0),
            tensors={} if is_kept else tensors, skipped=is_skipped, updated=is_skipped or not is_kept,
        )  # fmt: skip
