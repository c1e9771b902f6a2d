"""PyTorch: weights, gradients before clipping, updates and activations, by hooks that are there for traced steps only.

    traced = TorchTracer(tracer, model, optimizer, scaler=scaler)     # scaler: of mixed precision, if there is one
    for x, y in batches:
        loss = loss_of(model(x), y)
        traced.tell(loss=loss, rows=len(y))                           # optional; also ids, labels, predictions, ...
        loss.backward(); optimizer.step(); optimizer.zero_grad()

A step is a call of the (last given) optimizer that had a gradient to apply. Between two traced steps the model holds no
hook; the optimizer holds two, of one test each. Gradients are those of this process: before clipping, before another
rank's are averaged in (DDP), of its own shard (FSDP2). What a hook measures is a scalar on the tensor's device.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from streamgauge.tracer.frameworks.torch.hooks import Attempt, Hook
from streamgauge.tracer.frameworks.torch.parameters import (
    ACTIVATION_ROWS,
    RELU_LIKE,
    entries_of,
    modules_of,
    parameters_of,
    unsupported,
)
from streamgauge.tracer.frameworks.torch.values import Rows, bad, dense, local, norm, numpy_of, some
from streamgauge.tracer.tracer import Tensor, Tracer

__all__ = ["TorchTracer"]

_PARTS = ("weights", "gradients", "updates")


class _Gradient(NamedTuple):
    """What was seen of one gradient; norms are scalars on its device."""

    norm: Any
    bad: int
    raw: Any | None  # a copy, where it is wanted
    is_scaled: bool  # by the loss scale, still
    rows: Any | None  # of a sparse one, those that it touches
    source: Any | None  # of a sparse one, its own indices


class TorchTracer:
    """Tells a tracer what a model's training does.

    Args:
        tracer: the worker's.
        model: a module, also compiled or wrapped by DDP or FSDP2.
        optimizers: those that update it; the step of the last one ends a step.
        scaler: the GradScaler of automatic mixed precision; its skipped steps are told as such.
    """

    def __init__(self, tracer: Tracer, model: torch.nn.Module, *optimizers: Any, scaler: Any = None) -> None:
        self.tracer = tracer
        self._model, self._optimizers, self._scaler = model, optimizers, scaler
        self._hooks: list[Any] = []  # of the traced step that runs now
        self._boundaries: list[Any] = []
        self._told: list[dict[str, Any]] = []
        self._gradients: dict[str, _Gradient] = {}
        self._before: dict[str, Rows] = {}
        self._units: dict[str, Tensor] = {}
        self._updated: dict[str, Tensor] = {}
        self._has_stepped = False
        if not tracer.is_closed:
            self._harmless(self._attach)

    def tell(self, **step: Any) -> None:
        """What `Tracer.step` takes, of the batch that runs now; several before an update are accumulated batches."""
        if self.tracer.is_on and self._boundaries:
            self._told.append({name: _kept(value) for name, value in step.items()})

    def detach(self) -> None:
        """Leave model, optimizers and scaler as they were."""
        self._disarm()
        for handle in self._boundaries:
            handle.remove()
        self._boundaries.clear()
        if self._scaler is not None:
            vars(self._scaler).pop("step", None)

    def __deepcopy__(self, memo: dict[int, Any]) -> TorchTracer:
        return self  # a copied model is not traced, and a tracer cannot be copied

    def _attach(self) -> None:
        for optimizer in self._optimizers:
            before, after = (Hook(self._harmless, call, optimizer) for call in (self._begin, self._end))
            self._boundaries.append(optimizer.register_step_pre_hook(before))
            self._boundaries.append(optimizer.register_step_post_hook(after))
        if self._scaler is not None and self._scaler.is_enabled():
            self._scaler.step = Attempt(self._harmless, self._attempted, self._scaler)
        self._is_compiled = any(
            type(module).__name__ == "OptimizedModule" or getattr(module, "_compiled_call_impl", None) is not None
            for module in self._model.modules()
        )
        self.tracer.tensors.declare(entries_of(self._model, activations=not self._is_compiled))
        self._arm()

    def _harmless(self, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception as error:
            self.tracer.faults.count("torch", error)
            return None

    def _arm(self) -> None:
        """Hooks for the step that comes, if it is traced."""
        if not self.tracer.tensors.is_due:
            return
        for name, parameter in parameters_of(self._model):
            if self._wants("gradients", name) and not unsupported(name, parameter):
                hook = Hook(self._harmless, self._accumulated, parameter, name)
                self._hooks.append(parameter.register_post_accumulate_grad_hook(hook))
        if self._is_compiled:
            return
        for name, module in modules_of(self._model).items():
            if self._wants("activations", name):
                hook = Hook(self._harmless, self._forwarded, module, name, most=2)
                self._hooks.append(module.register_forward_hook(hook))

    def _disarm(self) -> None:
        for handle in self._hooks:
            handle.remove()
        self._hooks.clear()
        for kept in (self._gradients, self._before, self._units, self._updated):
            kept.clear()

    def _wants(self, collection: Any, name: str) -> bool:
        return self.tracer.tensors.takes(collection, name) or self.tracer.tensors.takes_raw(collection, name)

    def _accumulated(self, parameter: Any, name: str) -> None:
        """A backward pass has added to a gradient: the last one before the update holds all of them."""
        self._gradients[name] = self._seen(parameter.grad, name, is_scaled=self._scaler is not None)

    def _forwarded(self, module: Any, name: str, arguments: Any, output: Any) -> None:
        """The first output of a module in this step; a recomputation tells nothing new."""
        if name in self._units or not torch.is_tensor(output) or output.ndim < 2:
            return
        sample = local(output)[:ACTIVATION_ROWS]
        if self.tracer.tensors.takes_raw("activations", name):
            self.tracer.tensors.raw("activations", name, numpy_of(sample))
        if isinstance(module, RELU_LIKE):
            flat = sample.reshape(-1, sample.shape[-1])
            self._units[name] = Tensor(
                positives=numpy_of((flat > 0).sum(0)), rows=len(flat), nonfinite=bad(flat, norm(flat))
            )
        elif output.is_floating_point():
            self._units[name] = Tensor(nonfinite=bad(sample, norm(sample)))

    def _begin(self, optimizer: Any) -> None:
        """An optimizer is about to step."""
        if not self.tracer.tensors.is_due:
            return
        held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        for name, parameter in parameters_of(self._model):
            if id(parameter) not in held or unsupported(name, parameter) or parameter.grad is None:
                continue
            if not any(self._wants(collection, name) for collection in _PARTS):
                continue
            if name not in self._gradients and self._wants("gradients", name):  # only another rank used it
                is_scaled = getattr(optimizer, "grad_scale", None) is not None
                self._gradients[name] = self._seen(parameter.grad, name, is_scaled=is_scaled)
            self._before[name] = self._rows(name, parameter)

    def _rows(self, name: str, parameter: Any) -> Rows:
        """What the update of a parameter is measured on, as it is before; only which rows where none is wanted."""
        gradient = local(parameter.grad)
        rows = some(parameter, self._touched(name, gradient) if gradient.is_sparse else None)
        if not self._wants("updates", name):
            return rows._replace(values=None)
        return rows if rows.indices is not None else rows._replace(values=rows.values.clone())

    def _touched(self, name: str, gradient: Any) -> Any:
        """The rows of a sparse gradient; those that were found at its norm, if no other rank's came in since."""
        seen = self._gradients.get(name)
        if seen is not None and seen.source is not None and seen.source.data_ptr() == gradient._indices().data_ptr():
            return seen.rows
        return dense(gradient)[1]

    def _end(self, optimizer: Any) -> None:
        """An optimizer has stepped."""
        if self.tracer.tensors.is_due:
            self._measure(optimizer)
        if any(p.grad is not None for group in optimizer.param_groups for p in group["params"]):
            self._has_stepped = True
        is_attempt = self._scaler is not None and self._scaler.is_enabled()
        if optimizer is self._optimizers[-1] and self._has_stepped and not is_attempt:
            self._close(is_skipped=False)

    def _measure(self, optimizer: Any) -> None:
        scale = self._scale
        for name, parameter in parameters_of(self._model):
            before = self._before.get(name)
            if before is not None and local(parameter).numel():
                self._measure_one(name, parameter, before, scale)

    def _measure_one(self, name: str, parameter: Any, before: Rows, scale: float) -> None:
        """Norms and raw arrays of one parameter behind its update."""
        gradient = self._gradients.get(name)
        divisor = scale if gradient is not None and gradient.is_scaled else 1.0
        sample = some(parameter)
        after = sample.values if before.indices is sample.indices else local(parameter).index_select(0, before.indices)
        update = None if before.values is None else after - before.values
        weight = norm(sample.values)
        touched = weight if after is sample.values else norm(after)
        self._updated[name] = Tensor(
            weight=_float(weight, sample.times), touched=_float(touched, before.times),
            update=None if update is None else _float(norm(update), before.times),
            gradient=None if gradient is None else _float(gradient.norm) / divisor,
            nonfinite=(gradient.bad if gradient else 0) + bad(sample.values, weight),
        )  # fmt: skip
        raw = {"weights": sample.values, "updates": update, "gradients": gradient.raw if gradient else None}
        for collection, values in raw.items():
            if values is not None and self.tracer.tensors.takes_raw(collection, name):  # type: ignore[arg-type]
                array = numpy_of(values)
                array = array / divisor if collection == "gradients" and divisor != 1.0 else array
                self.tracer.tensors.raw(collection, name, array)  # type: ignore[arg-type]

    def _attempted(self, optimizer: Any, is_skipped: bool) -> None:
        """The scaler's step is over."""
        if optimizer is self._optimizers[-1] and (self._has_stepped or is_skipped):
            self._close(is_skipped=is_skipped)

    def _close(self, *, is_skipped: bool) -> None:
        """The step is done: tell it, and prepare the next one."""
        told, self._told = self._told or [{}], []
        for batch in told[:-1]:
            self.tracer.step(updated=False, **_read(batch))
        tensors = dict(self._updated)
        if is_skipped:  # an infinite gradient under loss scaling is none
            tensors = {name: Tensor(weight=tensor.weight) for name, tensor in tensors.items()}
        self.tracer.step(tensors=self._units | tensors, skipped=is_skipped, **_read(told[-1]))
        self._has_stepped = False
        self._disarm()
        if self.tracer.is_on:
            self._arm()

    def _seen(self, gradient: Any, name: str, *, is_scaled: bool) -> _Gradient:
        values, rows = dense(gradient)
        raw = values.clone() if self.tracer.tensors.takes_raw("gradients", name) else None
        source = None if rows is None else local(gradient)._indices()
        return _Gradient(found := norm(values), bad(values, found), raw, is_scaled, rows, source)

    @property
    def _scale(self) -> float:
        return float(self._scaler.get_scale()) if self._scaler is not None and self._scaler.is_enabled() else 1.0


def _float(scalar: Any, times: float = 1.0) -> float:
    return float(scalar) * math.sqrt(times)


def _kept(value: Any) -> Any:
    """An argument of `tell`, outside of autograd."""
    return value.detach() if torch.is_tensor(value) else value


def _read(batch: dict[str, Any]) -> dict[str, Any]:
    return {name: numpy_of(value) if torch.is_tensor(value) else value for name, value in batch.items()}
