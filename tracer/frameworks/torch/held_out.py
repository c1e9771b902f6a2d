"""What a PyTorch model's layers give for rows that it does not learn from, where a plan asks for `held_out`.

    held_out(tracer, model, x_validation)      # between two steps, as often as the job likes

The neurons that fluctuate on training's rows and not on these, or the other way, are a diagnosis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from streamgauge.tracer.frameworks.torch.parameters import RELU_LIKE, modules_of
from streamgauge.tracer.selection import Entry
from streamgauge.tracer.tracer import Tracer


def held_out(tracer: Tracer, model: torch.nn.Module, *inputs: Any) -> None:
    """Run the model on the inputs, if a plan asks for what its layers give; nothing is raised, no mode is changed."""
    try:
        layers = {name: module for name, module in modules_of(model).items() if isinstance(module, RELU_LIKE)}
        tracer.tensors.declare([Entry(name=name, collection="held_out") for name in layers])
        wanted = {name: module for name, module in layers.items() if tracer.tensors.takes_raw("held_out", name)}
        if wanted:
            _run(tracer, model, wanted, inputs)
    except Exception as error:
        tracer.faults.count("held_out", error)


def _run(tracer: Tracer, model: torch.nn.Module, wanted: dict[str, torch.nn.Module], inputs: tuple[Any, ...]) -> None:
    given: dict[str, torch.Tensor] = {}
    hooks = [module.register_forward_hook(_keeping(name, given)) for name, module in wanted.items()]
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes:
            module.training = mode
    for name, output in given.items():
        tracer.tensors.raw("held_out", name, output.detach().float().cpu().numpy())


def _keeping(name: str, given: dict[str, torch.Tensor]) -> Callable[..., None]:
    def kept(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> None:
        given[name] = output

    return kept
