"""The command `tensors`: raw arrays that workers sent, listed, printed, compared, exported."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands.acting import bus_of, job_of
from streamgauge.pipelines.commands.tensor_reports import diagnoses, event_files, messages
from streamgauge.tracer.printable import printable
from streamgauge.tracer.read import TracedArray, gather


def tensors(args: argparse.Namespace) -> int:
    """1 where nothing matches."""
    config, job = job_of(args)
    bus = bus_of(config)
    found = [one for one in gather(messages(bus, "tensors")) if one.job == job.name and _matches(args, one)]
    if args.do == "tensorboard":
        return event_files(args, bus, job.name, found)
    if not found:
        print(f"no raw tensor of {job.name} matches; `streamgauge trace --emit raw` asks for some")
        return 1
    return _DOES[args.do](args, found)


def _matches(args: argparse.Namespace, one: TracedArray) -> bool:
    if args.worker and one.worker != args.worker:
        return False
    if args.collection and one.collection != args.collection:
        return False
    if args.step is not None and one.step not in args.step:
        return False
    return not args.tensor or one.name == args.tensor or one.name.startswith(f"{args.tensor}/")


def _list(args: argparse.Namespace, found: list[TracedArray]) -> int:
    for one in found:
        if args.json:
            print(json.dumps(_about(one)))
        else:
            print(printable(f"{_name(one)} {one.array.dtype} {_shape(one)}"))
    return 0


def _print(args: argparse.Namespace, found: list[TracedArray]) -> int:
    for one in found:
        if args.json:
            print(json.dumps(_about(one) | {"values": one.array.tolist()}))
        else:
            print(printable(f"{_name(one)} {one.array.dtype} {_shape(one)}  {_summary(one.array)}"))
            print(np.array2string(one.array, threshold=64, edgeitems=2, precision=6))
    return 0


def _diff(args: argparse.Namespace, found: list[TracedArray]) -> int:
    """The last of each tensor less the first of it."""
    ends: dict[tuple[str, str, str, str], list[TracedArray]] = {}
    for one in found:
        ends.setdefault((one.worker, one.collection, one.name, one.emit), []).append(one)
    pairs = [(kept[0], kept[-1]) for kept in ends.values() if len(kept) > 1]
    pairs = [(first, last) for first, last in pairs if first.array.shape == last.array.shape]
    if not pairs:
        raise UseError("a difference needs two steps of a tensor, of one shape: `streamgauge tensors list` shows them")
    for first, last in pairs:
        change = last.array.astype(np.float64) - first.array.astype(np.float64)
        norms = [float(np.linalg.norm(values)) for values in (change, first.array)]
        if args.json:
            told = {"from": first.step, "change": norms[0], "relative": norms[0] / norms[1] if norms[1] else None}
            print(json.dumps(_about(last) | told))
        else:
            share = f"{norms[0] / norms[1]:.3g} of it" if norms[1] else "from nothing"
            print(printable(f"{_name(last)} since step {first.step}: norm {norms[0]:.6g}, {share}  {_summary(change)}"))
    return 0


def _export(args: argparse.Namespace, found: list[TracedArray]) -> int:
    """A folder a worker, a file an array: NAME.COLLECTION.STEP.npy."""
    for one in found:
        folder = Path(args.to) / _safe(one.worker)
        folder.mkdir(parents=True, exist_ok=True)
        form = _safe(one.collection) + ("" if one.emit == "raw" else f".{_safe(one.emit)}")
        np.save(folder / f"{_safe(one.name)}.{form}.{one.step}.npy", one.array, allow_pickle=False)
    print(f"{len(found)} arrays in {args.to}")
    return 0


def _about(one: TracedArray) -> dict[str, Any]:
    told = one._asdict()
    del told["array"]
    return told | {"shape": list(one.array.shape), "dtype": str(one.array.dtype)}


def _name(one: TracedArray) -> str:
    form = "" if one.emit == "raw" else f" ({one.emit})"
    return f"{one.worker} step {one.step} {one.collection} {one.name}{form}"


def _shape(one: TracedArray) -> str:
    return "x".join(map(str, one.array.shape)) or "scalar"


def _summary(array: np.ndarray[Any, Any]) -> str:
    values = np.abs(array) if array.dtype.kind == "c" else array.astype(np.float64)
    finite = values[np.isfinite(values)]
    bad = values.size - finite.size
    if not finite.size:
        return f"{bad} values, none of them finite" if bad else "no values"
    extent = f"min {finite.min():.4g} mean {finite.mean():.4g} max {finite.max():.4g}"
    return f"{extent}, {bad} not finite" if bad else extent


def _safe(text: str) -> str:
    """A name as a file may have it: nothing leads out of the folder."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text).lstrip(".") or "_"


_DOES: Final = {"list": _list, "print": _print, "diff": _diff, "export": _export, "diagnose": diagnoses}
