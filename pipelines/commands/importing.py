"""The command `import`: runs recorded in MLflow, Weights & Biases or TensorBoard as what is normal for a job."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from streamgauge.anomaly.young import WINDOWS
from streamgauge.pipelines.adapters import tensorboard
from streamgauge.pipelines.adapters.recorded import mlflow_files, wandb_files
from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands import acting
from streamgauge.pipelines.commands.reference_given import messages
from streamgauge.pipelines.config.faults import suggestion
from streamgauge.pipelines.imports import recorded
from streamgauge.pipelines.imports.recorded import Curve
from streamgauge.pipelines.wire.given import parts

READERS: Final[dict[str, Callable[[Path], Iterator[Curve]]]] = {
    "mlflow": mlflow_files.curves, "wandb": wandb_files.curves, "tensorboard": tensorboard.curves,
}  # fmt: skip


def import_runs(args: argparse.Namespace) -> int:
    """Put a reference into the job's log; it holds from the next window on, on every engine."""
    config, job = acting.job_of(args)
    curves = list(_curves(args))
    bus = acting.bus_of(config)
    now = acting.now_of(config, bus)
    if now <= 0.0:
        raise UseError(f'{args.config} has clock = "log", and no tick has come yet: start the stream first')
    try:
        series = recorded.series_of(curves, dict(args.metric))
    except ValueError as error:
        raise UseError(str(error)) from None
    if not series:
        tags = ", ".join(sorted({curve.tag for curve in curves})[:20])
        raise UseError(f"no recorded name says which metric it is ({tags}); name them: --metric auc=TAG")
    points = max(len(values) for values in series.values())
    if points < WINDOWS:
        raise UseError(f"{points} points are recorded and {WINDOWS} are needed; log more often, or give more runs")
    runs = len({curve.run for curve in curves})
    names = ", ".join(labels[3] for labels in series)
    text = f"{runs} {args.kind} run{'s' if runs > 1 else ''} in {args.folder.name}: {names}, {points} points"
    told = {"job": job.name, "reference": text, "metrics": [labels[3] for labels in series], "points": points}
    if args.dry_run:
        acting.say(args, f"{job.name} would begin with {text}", told)
        return 0
    bus.send(list(messages(job, parts(text, recorded.histories(series, job, now)), now)))
    acting.say(args, f"{job.name} begins with {text}, from the next window on", told)
    return 0


def _curves(args: argparse.Namespace) -> Iterator[Curve]:
    """The curves asked for, from the asked step on."""
    if not args.folder.is_dir() and not (args.kind == "mlflow" and args.folder.is_file()):
        raise UseError(f"{args.folder} is no folder" + (" and no mlflow.db" if args.kind == "mlflow" else ""))
    try:
        found = list(READERS[args.kind](args.folder))
    except ImportError as error:
        raise UseError(f"reading event files needs {error.name}: pip install tensorboard") from None
    runs = sorted({curve.run for curve in found})
    if not runs:
        raise UseError(f"there is no {args.kind} run in {args.folder}")
    if args.run and args.run not in runs:
        known = ", ".join(runs[:20])
        raise UseError(f"no run {args.run!r} in {args.folder}{suggestion(args.run, runs)}; runs are {known}")
    for curve in found:
        kept = curve.step >= args.from_step
        if args.run in ("", curve.run) and kept.any():
            yield curve._replace(step=curve.step[kept], time=curve.time[kept], value=curve.value[kept])
