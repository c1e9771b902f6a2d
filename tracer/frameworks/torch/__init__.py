"""PyTorch: `TorchTracer` tells what a model's training does, by hooks that are there for traced steps only."""

from streamgauge.tracer.frameworks.torch.adapter import TorchTracer

__all__ = ["TorchTracer"]
