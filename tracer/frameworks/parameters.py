"""PyTorch parameters as a tracer sees them: names that people know, local values, norms."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import torch

from streamgauge.tracer.selection import Collection, Entry

_FUSED: Final = dict.fromkeys(
    ("SplitTableBatchedEmbeddingBagsCodegen", "DenseTableBatchedEmbeddingBagsCodegen"),
    "fused tables update themselves in the backward pass",
)
WHOLE: Final = 1 << 18  # values; of larger tables the norms are estimated from evenly spaced rows
_SAMPLE: Final = 4096
_WRAPPERS: Final = re.compile(r"(^|\.)(_orig_mod|_checkpoint_wrapped_module|_fsdp_wrapped_module)(?=\.|$)")
RELU_LIKE: Final = (
    torch.nn.ReLU, torch.nn.ReLU6, torch.nn.LeakyReLU, torch.nn.ELU, torch.nn.SELU, torch.nn.CELU, torch.nn.GELU,
    torch.nn.SiLU, torch.nn.PReLU, torch.nn.Mish,
)  # fmt: skip
ACTIVATION_ROWS: Final = 64


class Rows(NamedTuple):
    """A parameter, or some rows of it, and how many times more values the whole has."""

    values: Any
    indices: Any | None = None  # of the rows; None: all
    times: float = 1.0


def parameters_of(model: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Parameter]]:
    """Trainable parameters by name; `named_parameters` only, as reading `module.weight` can run a parametrization."""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            yield name_of(name, parameter), parameter


def modules_of(model: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """Leaf modules whose outputs can be traced, by name; none inside an attention, which calls its parts directly."""
    found: dict[str, torch.nn.Module] = {}
    inside = {
        id(part) for module in model.modules() if isinstance(module, torch.nn.MultiheadAttention)
        for part in module.modules()
    }  # fmt: skip
    for name, module in model.named_modules():
        if not any(True for _ in module.children()) and id(module) not in inside and name:
            found[bare(name)] = module
    return found


def bare(name: str) -> str:
    """A name without what compilers and wrappers put into it.

    >>> bare("_orig_mod.module.tower.0.weight")
    'tower.0.weight'
    """
    return re.sub(r"^(module\.)+", "", _WRAPPERS.sub("", name).lstrip("."))


def name_of(name: str, parameter: torch.nn.Parameter) -> str:
    """The name of what of a parameter lives here: of a sharded one, this rank's shard."""
    mesh = getattr(parameter, "device_mesh", None)
    sharded = [placement for placement in getattr(parameter, "placements", ()) if placement.is_shard()]
    return f"{bare(name)}/shard_{mesh.get_rank()}" if mesh is not None and sharded else bare(name)


def unsupported(name: str, parameter: torch.nn.Parameter) -> str:
    """Why a parameter cannot be traced, or ""."""
    if name.endswith("_flat_param") or type(parameter).__name__ == "FlatParameter":
        return "FSDP1 keeps flat parameters: the layers' own values are in none of them"
    return ""


def entries_of(model: torch.nn.Module, *, activations: bool) -> list[Entry]:
    """What of a model can be traced, and what cannot."""
    collections: tuple[Collection, ...] = ("weights", "gradients", "updates")
    entries = [
        Entry(
            name=name, collection=collection, shape=tuple(parameter.shape), dtype=str(parameter.dtype)[6:],
            bytes=local(parameter).numel() * parameter.element_size(), unsupported=unsupported(name, parameter),
        )
        for name, parameter in parameters_of(model)
        for collection in collections
    ]  # fmt: skip
    listed = modules_of(model)
    why = "" if activations else "hooks on the parts of a compiled model do not run, or run after a recompilation"
    return [
        *entries,
        *(Entry(name=name, collection="activations", unsupported=why) for name in listed),
        *(
            Entry(name=bare(name), collection="weights", unsupported=_FUSED[type(module).__name__])
            for name, module in model.named_modules()
            if type(module).__name__ in _FUSED
        ),
    ]


def local(tensor: Any) -> Any:
    """This rank's part of a tensor, outside of autograd."""
    tensor = tensor.detach()
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def some(parameter: Any, gradient: Any) -> Rows:
    """What of a parameter is looked at around an update: the rows that a sparse gradient touches, a sample, or all."""
    values = local(parameter)
    if gradient is not None and gradient.is_sparse:
        rows = gradient.coalesce().indices()[0]
        return Rows(values[rows], rows)
    if values.numel() > WHOLE and values.ndim > 1:
        rows = torch.linspace(0, len(values) - 1, min(_SAMPLE, len(values)), device=values.device).long()
        return Rows(values[rows], rows, len(values) / len(rows))
    return Rows(values)


def dense(gradient: Any) -> Any:
    """The values of a gradient; of a sparse one those of each row, summed."""
    gradient = local(gradient)
    return gradient.coalesce().values() if gradient.is_sparse else gradient


def norm(values: Any) -> Any:
    """The L2 norm as a float64 scalar where the values are."""
    if values.dtype in (torch.float64, torch.complex128):
        return torch.linalg.vector_norm(values).double()
    values = values if values.is_complex() or values.dtype == torch.float32 else values.float()
    found = torch.linalg.vector_norm(values).double()
    if values.device.type == "cpu" and not math.isfinite(found.item()):  # a square may be too large for float32
        return torch.linalg.vector_norm(values.to(torch.complex128 if values.is_complex() else torch.float64))
    return found


def nonfinite(values: Any) -> int:
    """How many values are not finite."""
    return int(values.numel() - torch.isfinite(values.float() if values.itemsize < 2 else values).sum().item())


def numpy_of(values: Any) -> np.ndarray[Any, Any]:
    """A copy that NumPy can hold: bfloat16 and float8 as float32."""
    values = values.detach().to("cpu", copy=True)
    has_numpy = values.dtype in _NUMPY
    found: np.ndarray[Any, Any] = (values if has_numpy else values.float()).numpy()
    return found


_NUMPY: Final = frozenset({
    torch.float16, torch.float32, torch.float64, torch.complex64, torch.complex128, torch.int8, torch.int16,
    torch.int32, torch.int64, torch.uint8, torch.bool,
})  # fmt: skip
