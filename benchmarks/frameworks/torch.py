"""PyTorch: the same network with sparse tables; a model an arm."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.frameworks.arms import ANEW, ITEMS, WIDTHS, Step, batch, tracers_for
from benchmarks.frameworks.rival import is_at_hand, watched
from streamgauge.tracer.frameworks.torch import TorchTracer
from streamgauge.tracer.tracer import Tracer


class Network(torch.nn.Module):  # type: ignore[misc]
    """An item's row, attention over the history's rows, 13 numbers, then layers."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(ITEMS, 16, sparse=True)
        layers: list[Any] = []
        for width, following in zip((16 + 16 + 13, *WIDTHS), (*WIDTHS, 1), strict=True):
            layers += [torch.nn.Linear(width, following), torch.nn.ReLU()]
        self.layers = torch.nn.Sequential(*layers[:-1])

    def forward(self, item: Any, history: Any, numbers: Any) -> Any:
        """Logits."""
        query, past = self.table(item), self.table(history)
        pooled = torch.softmax(query @ past.transpose(1, 2), dim=-1) @ past
        return self.layers(torch.cat([query[:, 0], pooled[:, 0], numbers], dim=1))


def arms() -> tuple[dict[str, Step], list[Tracer]]:
    """A model an arm."""
    torch.set_num_threads(1)
    tracers = tracers_for("layers.6.weight")
    steps: dict[str, Step] = {"plain": _step(None), ANEW: lambda: _step(None)}
    if is_at_hand():
        steps["wandb.watch every 10"] = _watched()
    return steps | {name: _step(tracer) for name, tracer in tracers.items()}, list(tracers.values())


def names() -> list[str]:
    """Of tensors whose gradients are asked for."""
    return [f"layers.{i}.weight" for i in (0, 2, 4, 6)]


def _watched() -> Step:
    """The same steps under `wandb.watch(log="all", log_freq=10)`; the run begins with the first one."""
    model, run = Network(), list[Any]()
    step = _step(None, model)

    def logged() -> object:
        if not run:
            run.append(watched(model))
        loss: Any = step()
        run[0].log({"loss": float(loss.detach())})
        return loss

    return logged


def _step(tracer: Tracer | None, model: Any = None) -> Step:
    model = Network() if model is None else model
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    traced = None if tracer is None else TorchTracer(tracer, model, optimizer)
    x, labels = batch()
    inputs, y = [torch.from_numpy(column) for column in x], torch.from_numpy(labels)

    def step() -> object:
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(*inputs), y)
        if traced is not None:
            traced.tell(loss=loss, rows=len(y))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return step
