"""What `tensors` makes of all arrays at once: diagnoses of the model, and event files for TensorBoard."""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.ports import Bus
from streamgauge.pipelines.train_quality.diagnoses import DIAGNOSES, Traces, by_worker, diagnose
from streamgauge.pipelines.train_quality.diagnoses.activations import probes
from streamgauge.pipelines.train_quality.diagnoses.gradients import gradient_noise
from streamgauge.pipelines.train_quality.diagnoses.traces import percent
from streamgauge.pipelines.train_quality.diagnoses.weights import first_layer, influence
from streamgauge.tracer.printable import printable
from streamgauge.tracer.read import TracedArray


def diagnoses(args: argparse.Namespace, found: Iterable[TracedArray]) -> int:
    """A line a finding; 1 where there is one."""
    found = list(found)
    findings = diagnose(found)
    for traces in by_worker(found):
        measured = "" if args.json else _measured(traces)
        if measured:
            print(printable(f"{traces.worker}: {measured}"))
    for one in findings:
        shown = json.dumps(one._asdict()) if args.json else printable(f"{one.worker} step {one.step}: {one.text}")
        print(shown)
    if not findings and not args.json:
        print(f"nothing found by {len(DIAGNOSES)} diagnoses, as far as the arrays tell (docs/diagnoses.md)")
    return int(bool(findings))


def _measured(traces: Traces) -> str:
    """What is no fault by itself: the noise of the gradient, what each layer knows, what the first one listens to."""
    scale, layer = gradient_noise(traces), first_layer(traces)
    found = [] if scale != scale else [f"gradient noise scale {scale:.3g} batches"]
    depth = ", ".join(f"{name} {auc:.3f}" for name, auc in probes(traces).items())
    found += [f"AUC by depth: {depth}"] if depth else []
    shares = influence(traces, layer)
    if len(shares):
        order = shares.argsort()[::-1][:5].tolist()
        found.append(f"inputs of {layer} by influence: " + ", ".join(f"{i} {percent(shares[i])}" for i in order))
    return "; ".join(found)


def event_files(args: argparse.Namespace, bus: Bus, job: str, found: Iterable[TracedArray]) -> int:
    """A folder a worker and life, for `tensorboard --logdir`."""
    from streamgauge.pipelines.adapters import tensorboard

    try:
        board = tensorboard.Board(Path(args.to))
    except ImportError:
        raise UseError("TensorBoard is not installed: `pip install streamgauge[tensorboard]`") from None
    for scalar in tensorboard.scalars(job, messages(bus, "traces")):
        board.scalar(scalar)
    for one in found:
        board.array(one)
    board.close()
    told = ", ".join(f"{count} {what}" for what, count in sorted(board.written.items())) or "nothing"
    print(f"{told} in {args.to}: `tensorboard --logdir {args.to}`{_remedy()}")
    return int(not board.written)


def _remedy() -> str:
    """TensorBoard 2.20 writes with any setuptools, and starts only with an old one (findings/)."""
    known = tuple(map(int, metadata.version("tensorboard").split(".")[:2]))
    if known > (2, 20) or importlib.util.find_spec("pkg_resources") is not None:
        return ""
    return "; to start TensorBoard 2.20: `pip install 'setuptools<81'`"


def messages(bus: Bus, topic: str) -> Iterator[bytes]:
    """Every value on a topic, log by log."""
    for log, (first, end) in sorted(bus.bounds(topic).items()):
        at = first
        while at < end:
            read = bus.read(log, at, 1000)
            if not read:
                break
            at = read[-1].offset + 1
            yield from (message.value for message in read)
