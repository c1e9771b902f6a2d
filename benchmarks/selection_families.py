"""Two families of labelled series (`DIR/kpi`, `DIR/nab`), and what every channel of `anomaly.surprise` says of each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.events import DELAY
from benchmarks.labelled import Series, read
from streamgauge.anomaly.reference import Bools, Floats, Rows
from streamgauge.anomaly.surprise import CALIBRATIONS, CHANNELS, STEPS

NAMES: Final = tuple(sorted(CHANNELS))
CALIBRATED: Final = {"record": "running", "season": "fading", "still": "fading"}  # the others by "lasting"
LONGEST: Final = 18_000  # rows of a series, its first ones
FAULT: Final = 4.0  # robust standard deviations of a planted fault
TRIED: Final = 16  # of so many rows one gets a planted fault


Small = NDArray[np.float32]  # of which there are a hundred megabytes


class Labelled(NamedTuple):
    """One series: what is scored of it is its second half."""

    inside: Bools  # rows within a label, of the second half
    segments: list[tuple[int, int]]  # first row of that half, and the one after the last in which it may be found
    surprise: Floats  # [channels, rows] of the second half
    steps: Floats  # what the shipped alerts go by, [rows]
    apart: Floats  # how far planted faults stand out in the first half, [channels]
    features: Floats  # of the first half


def families(folder: Path) -> dict[str, list[Labelled]]:
    """All that is there, by name; fewer than two where a folder is missing."""
    found = {}
    for name, paths in (("kpi", sorted(folder.glob("kpi/*.csv*"))), ("nab", sorted(folder.glob("nab/data/*/*.csv")))):
        series = [read(path, path.relative_to(folder).as_posix()) for path in paths]
        if name == "nab" and series:
            series = _with_windows(folder / "nab", series)
        series = [_first_rows(one) for one in series]
        if series:
            found[name] = [*_scanned(series, whole=name == "nab")]
    return found


def _first_rows(one: Series) -> Series:
    return Series(one.name, one.stamps[:LONGEST], one.seconds[:LONGEST], one.values[:LONGEST], one.labels[:LONGEST])


def _with_windows(folder: Path, series: Sequence[Series]) -> list[Series]:
    """Numenta's labels lie apart."""
    windows = json.loads((folder / "labels" / "combined_windows.json").read_text())
    labelled = []
    for one in series:
        at = np.array([np.datetime64(datetime.fromisoformat(stamp)) for stamp in one.stamps])
        labels = np.zeros(len(at), bool)
        for start, end in windows[one.name.removeprefix("nab/data/")]:
            labels |= (at >= np.datetime64(start)) & (at <= np.datetime64(end))
        labelled.append(one._replace(labels=labels))
    return labelled


def _scanned(series: Sequence[Series], whole: bool) -> Iterator[Labelled]:
    """Every series, all of them side by side; a label counts to its end if `whole`, else for its first rows."""
    lengths = np.array([len(one.values) for one in series])
    values, seconds = np.full((lengths.max(), len(series)), np.nan), np.zeros((lengths.max(), len(series)), np.int64)
    for column, one in enumerate(series):
        values[: len(one.values), column], seconds[: len(one.values), column] = one.values, one.seconds
    features = np.stack([_features(one.values[: len(one.values) // 2], one.seconds) for one in series])
    said, planted = _said(values, seconds, lengths // 2)
    place = {name: row for row, name in enumerate(NAMES)}
    for column, one in enumerate(series):
        half = len(one.values) // 2
        surprise = said[: len(one.values), :, column].T
        inside = one.labels[half:]
        edges = np.diff(np.r_[False, inside, False].astype(int))
        spans = zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True)
        usual = np.quantile(surprise[:, half // 2 : half], 0.99, axis=1)
        steps = sum(part.weight * surprise[place[part.channel], half:] for part in STEPS)
        yield Labelled(
            inside, [(start, end if whole else min(end, start + DELAY + 1)) for start, end in spans],
            surprise[:, half:].astype(float), np.asarray(steps, float), np.median(planted[column], axis=0) - usual,
            features[column],
        )  # fmt: skip


def _said(values: Floats, seconds: Rows, halves: Rows) -> tuple[Small, list[list[Floats]]]:
    """`-log10 p` of every row [rows, channels, series], and of planted faults in each series' first half."""
    count, series = values.shape
    channels = [CHANNELS[name](series) for name in NAMES]
    calibrations = [CALIBRATIONS[CALIBRATED.get(name, "lasting")](series) for name in NAMES]
    faults = np.array([FAULT * _robust(values[: halves[column], column]) for column in range(series)])
    said: Small = np.zeros((count, len(NAMES), series), np.float32)
    planted: list[list[Floats]] = [[] for _ in range(series)]
    for row in range(count):
        x, clock = values[row], seconds[row] % 86400
        known = np.isfinite(x)
        tried = np.flatnonzero((row >= halves // 2) & (row < halves) & known & (row % TRIED == 0)).tolist()
        if tried:
            pairs = zip(channels, calibrations, strict=True)
            marks = np.stack([one.surprise(channel.score(x + faults, clock)) for channel, one in pairs])
            for column in tried:
                planted[column].append(marks[:, column])
        raw = [channel.score(x, clock) for channel in channels]
        for place, (channel, one) in enumerate(zip(channels, calibrations, strict=True)):
            said[row, place] = one.surprise(np.where(known, raw[place], 0.0))
            channel.learn(x, clock, known)
            one.learn(np.where(known, raw[place], np.nan))
    return said, planted


def _robust(values: Floats) -> float:
    return 1.4826 * float(np.nanmedian(np.abs(values - np.nanmedian(values))))


def _features(values: Floats, seconds: Rows) -> Floats:
    """What a selector may go by: roughness, rhythm of the day, tails of the steps, standstill, rows a day."""
    known = np.isfinite(values)
    x, hour = values[known], seconds[: len(values)][known] % 86400 // 3600
    step, variance = np.abs(np.diff(x)), max(float(np.var(x)), 1e-12)
    means = np.array([x[hour == one].mean() if (hour == one).any() else x.mean() for one in range(24)])
    rhythm = 1.0 - float(np.var(x - means[hour])) / variance
    heavy = float(np.log(max(np.quantile(step, 0.99), 1e-12) / max(float(step.mean()), 1e-12)))
    pace = float(np.log(86400.0 / max(float(np.median(np.diff(seconds[: len(values)]))), 1.0)))
    features: Floats = np.array([
        min(float(np.var(np.diff(x))) / (2.0 * variance), 2.0), rhythm, heavy, float(np.mean(step == 0.0)), pace,
    ])  # fmt: skip
    return features
