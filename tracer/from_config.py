"""What a tracer takes from the pipeline's `streamgauge.toml`: features, labels and places are declared there, once.

ConfigFault    the file cannot be read, or holds no such job; the message names the remedy
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from streamgauge.tracer.evaluation import Evaluation
from streamgauge.tracer.features import Feature
from streamgauge.tracer.labels import Labels
from streamgauge.tracer.tasks import Task
from streamgauge.tracer.transport import Transport

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_DURATION: Final = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*(ms|s|min|m|h|d|w)\s*")
_SECONDS: Final = ("horizon", "margin", "timeout", "hold")
# what the tracer needs of a feature
_FEATURE: Final = ("name", "kind", "default", "low", "high", "separator", "weight")


class ConfigFault(ValueError):
    """A configuration that no tracer can be made of."""


def read(path: str | Path, job: str | None = None) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """What a `Tracer` is made with by a file, its job's name among it, and the whole file.

    Args:
        path: the pipeline's `streamgauge.toml`.
        job: which of its jobs; None: the only one.

    Raises:
        ConfigFault: the file is not there, is no TOML, or has no such job.
    """
    try:
        import tomllib
    except ImportError:  # before Python 3.11
        import tomli as tomllib  # type: ignore[import-not-found, no-redef, unused-ignore]
    try:
        raw = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ConfigFault(f"cannot read {path}: {error}; `streamgauge check {path}` says more") from None
    found = _job(raw, job, path)
    try:
        return _arguments(found), raw
    except (KeyError, TypeError, ValueError, msgspec.ValidationError) as error:
        raise ConfigFault(f"job {found['name']!r} in {path}: {error}; `streamgauge check {path}` says more") from None


def transport_of(raw: Mapping[str, Any], path: str | os.PathLike[str]) -> Transport:
    """Where the pipeline of this file reads: its brokers, or the log in its data folder beside the file."""
    kafka = raw.get("kafka")
    if kafka:
        from streamgauge.tracer.kafka.transport import KafkaTransport

        known = ("prefix", "settings", "password_file")
        return KafkaTransport(kafka["bootstrap"], **{name: kafka[name] for name in known if name in kafka})
    from streamgauge.tracer.local.log import LocalLog

    data = Path(raw.get("data", "./streamgauge-data"))
    data = Path(path).resolve().parent / data  # an absolute one stays
    data.mkdir(parents=True, exist_ok=True)
    return LocalLog(data / "log.db")


def _job(raw: Mapping[str, Any], name: str | None, path: str | Path) -> Mapping[str, Any]:
    jobs = raw.get("jobs", [])
    jobs = [one | {"name": key} for key, one in jobs.items()] if isinstance(jobs, dict) else jobs
    mine = [one for one in jobs if name is None or one.get("name") == name]
    if len(mine) != 1:
        known = ", ".join(str(one.get("name")) for one in jobs) or "none"
        asked = "name one of its jobs" if name is None else f"it has no job {name!r}"
        raise ConfigFault(f"{path}: {asked}; known are {known}")
    found: Mapping[str, Any] = mine[0]
    return found


def _arguments(job: Mapping[str, Any]) -> dict[str, Any]:
    features = [{name: one[name] for name in _FEATURE if name in one} for one in job.get("features", ())]
    return {
        "job": job["name"], "pane": seconds(job.get("pane", 10.0)), "shards": job.get("shards", 1),
        "modulus": job.get("duplicate_modulus", 0), "labels": _labels(job.get("labels", {})),
        "features": msgspec.convert(features, tuple[Feature, ...]),
        "evaluation": msgspec.convert(job.get("evaluation", {}), Evaluation),
        "tasks": tuple(_task(one) for one in job.get("tasks", ())),
    }  # fmt: skip


def _task(raw: Mapping[str, Any]) -> Task:
    given = {name: value for name, value in raw.items() if name in Task.__struct_fields__}
    given["labels"] = _labels(raw.get("labels", {}))
    given["expected"] = seconds(raw.get("expected", 0.0))
    return msgspec.convert(given, Task)


def _labels(raw: Mapping[str, Any]) -> Labels:
    known = {name: value for name, value in raw.items() if name in Labels.__struct_fields__}
    found = {name: seconds(value) if name in _SECONDS else value for name, value in known.items()}
    return msgspec.convert(found, Labels)


def seconds(value: float | str) -> float:
    """Seconds of a number or of a duration.

    >>> seconds(5), seconds("3h")
    (5.0, 10800.0)
    """
    if not isinstance(value, str):
        return float(value)
    match = _DURATION.fullmatch(value)
    if match is None:
        raise ConfigFault(f"{value!r} is no duration")
    return float(match[1]) * _UNITS[match[2]]
