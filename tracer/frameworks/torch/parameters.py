"""PyTorch parameters and modules as a tracer sees them: by the names that people know."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Final

import torch

from streamgauge.tracer.frameworks.torch.values import local
from streamgauge.tracer.selection import Collection, Entry

_FUSED: Final = dict.fromkeys(
    ("SplitTableBatchedEmbeddingBagsCodegen", "DenseTableBatchedEmbeddingBagsCodegen"),
    "fused tables update themselves in the backward pass",
)
_WRAPPERS: Final = re.compile(r"(^|\.)(_orig_mod|_checkpoint_wrapped_module|_fsdp_wrapped_module)(?=\.|$)")
RELU_LIKE: Final = (
    torch.nn.ReLU, torch.nn.ReLU6, torch.nn.LeakyReLU, torch.nn.ELU, torch.nn.SELU, torch.nn.CELU, torch.nn.GELU,
    torch.nn.SiLU, torch.nn.PReLU, torch.nn.Mish,
)  # fmt: skip
ACTIVATION_ROWS: Final = 64


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


@functools.lru_cache(maxsize=1 << 16)
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
