"""The command `select`: which features earn their place in a model, by experiments on rows it was not trained on."""

from __future__ import annotations

import argparse
import csv
import importlib
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands.rows import rows_of
from streamgauge.pipelines.config.faults import suggestion
from streamgauge.pipelines.feature_selection.experiment import COLUMNS, Outcome, experiment
from streamgauge.tracer.printable import printable
from streamgauge.tracer.summaries import hash_values

_SHOWN: Final = (
    "loss_gap", "error", "auc_gap", "gauc_gap", "agreement", "misleading", "permutation_loss_gap", "influence",
    "feature_gauc",
)  # fmt: skip


def select(args: argparse.Namespace) -> int:
    """Run the experiments and print their table, the most useful features first."""
    predict = _named(args.model, "--model")
    gradients = _named(args.gradients, "--gradients") if args.gradients else None
    columns, labels, groups = _rows(args)
    methods = [*args.methods, *(["influence"] if gradients and "influence" not in args.methods else [])]
    try:
        outcome = experiment(
            predict, columns, labels, np.random.default_rng(args.seed), masks=_masks(args.mask, columns),
            methods=methods, passes=args.passes, repeats=args.repeats, groups=groups, gradients=gradients,
        )  # fmt: skip
    except ValueError as error:
        raise UseError(str(error)) from None
    _print(args, outcome)
    return 0


def _named(text: str, option: str) -> Callable[..., Any]:
    """The function that `MODULE:FUNCTION` names; modules of the working directory are found, too."""
    module, _, name = text.partition(":")
    if not module or not name:
        raise UseError(f"{option} must read MODULE:FUNCTION, got {text!r}")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        raise UseError(f"{option} {text}: {error}; modules are looked for in the working directory, too") from None
    finally:
        sys.path.pop(0)
    if not callable(found):
        raise UseError(f"{option} {text}: module {module} has no function {name}")
    made: Callable[..., Any] = found
    return made


def _rows(args: argparse.Namespace) -> tuple[dict[str, NDArray[Any]], NDArray[np.float64], NDArray[np.uint64] | None]:
    """Columns of the file, its labels, and the hashes of the groups."""
    frame = rows_of(args.file, args.label, args.group, *args.leave_out)
    if args.rows and len(frame) > args.rows:
        frame = frame.sample(args.rows, random_state=args.seed)
    labels = frame[args.label].to_numpy(np.float64, na_value=np.nan)
    known = np.isin(labels, (0.0, 1.0))
    if not known.any():
        raise UseError(f"column {args.label!r} of {args.file} holds no label 0 or 1")
    frame, labels = frame[known], labels[known]
    groups = hash_values(_plain(frame[args.group])) if args.group else None
    left_out = {args.label, *args.leave_out}
    return {str(name): _plain(frame[name]) for name in frame if name not in left_out}, labels, groups


def _plain(series: Any) -> NDArray[Any]:
    """A column of numbers as float64 with NaN where missing, whole numbers as they are, anything else as objects."""
    kind = getattr(series.dtype, "kind", "O")
    if kind in "iu" and not series.isna().any():
        return np.asarray(series.to_numpy(np.int64))
    if kind in "iufb":
        return np.asarray(series.to_numpy(np.float64, na_value=np.nan))
    return np.asarray(series.to_numpy(object))


def _masks(texts: Sequence[str], columns: Mapping[str, Any]) -> list[tuple[str, ...]]:
    masks = [tuple(name for name in text.split(",") if name) for text in texts]
    for name in (name for mask in masks for name in mask):
        if name not in columns:
            raise UseError(f"--mask: there is no feature {name!r}{suggestion(name, columns)}")
    return [mask for mask in masks if mask]


def _print(args: argparse.Namespace, outcome: Outcome) -> None:
    if args.json:
        print(json.dumps({"rows": outcome.rows, "predictions": outcome.predictions}))
        return
    if args.csv:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([_cell(row[name]) for name in COLUMNS] for row in outcome.rows)
        print(out.getvalue(), end="")
    else:
        for row in outcome.rows:
            numbers = "  ".join(f"{name} {row[name]:.4g}" for name in _SHOWN if row[name] is not None)
            print(printable(f"{row['verdict'] or '':<11} {','.join(row['features']):<30} {numbers}"))
    for method, count in outcome.predictions.items():
        print(f"{method}: {count:,} predictions", file=sys.stderr)


def _cell(value: Any) -> Any:
    text = " ".join(value) if isinstance(value, list) else value
    return f"'{text}" if isinstance(text, str) and text.startswith(("=", "+", "-", "@")) else text
