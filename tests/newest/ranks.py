"""One of two processes of a distributed job on gloo: trains three steps traced, prints what its tracer told as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from streamgauge.tracer import control
from streamgauge.tracer.frameworks.torch import TorchTracer
from streamgauge.tracer.selection import Select
from tests.tracer.frameworks.job import EVERY, RAW, Job

DEEP = [Select(collection="activations", emit="raw", every=1)]
PLAN = control.plan("ctr", "deep", 1, issued=0.0, select=DEEP, min_step=3)


class Net(nn.Module):
    """Rank 1 alone uses `side`."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.side, self.out = nn.Linear(4, 8), nn.Linear(4, 8), nn.Linear(8, 1)

    def forward(self, x: torch.Tensor, is_side: bool) -> torch.Tensor:
        layer = self.side if is_side else self.hidden
        return self.out(torch.relu(layer(x)))


def main(kind: str) -> None:
    """Train, wrapped as `kind` says."""
    dist.init_process_group("gloo")
    torch.manual_seed(1)
    rank = dist.get_rank()
    model: Any = Net()
    if kind == "ddp":
        model = DistributedDataParallel(model, find_unused_parameters=True)
    elif kind == "fsdp2":
        model = fully_shard(model)
    job = Job(*EVERY, *RAW)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    TorchTracer(job.tracer, model, optimizer)
    generator = torch.Generator().manual_seed(rank)
    for step in range(3):
        if step == rank:  # the second rank hears of it a step later; both begin at the third
            job.log.send([("control", "ctr/deep", PLAN)])
        x = torch.randn(8, 4, generator=generator)
        model(x, kind == "ddp" and rank == 1).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        job.now += 1.0
        job.tracer.beat()
    values: dict[str, Any] = {
        name: {
            "gradient": job.values("gradient_norm", f"tensor:{name}"),
            "update": [float((u**2).sum() ** 0.5) for u in job.raw("updates", name)],
            "last": job.raw("weights", name)[-1].tolist(),
        }
        for name in sorted({name for collection, name in job.raw_names() if collection == "weights"})
    }  # fmt: skip
    tensors = {name: p.full_tensor() if hasattr(p, "full_tensor") else p for name, p in model.named_parameters()}
    whole = {name: tensor.norm().item() for name, tensor in tensors.items()}
    faults = {name: n for name, n in job.tracer.counters.items() if name.startswith("fault")}
    deep = sorted({one.step for one in job.arrays() if one.collection == "activations"})
    print("TOLD", json.dumps({"values": values, "whole": whole, "faults": faults, "deep": deep}))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1])
