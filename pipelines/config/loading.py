"""Reads `streamgauge.toml` into a `Config`: every fault at once, each with its path, the value and a remedy.

The walk follows the types of `pipelines.config.schema`, so a new setting needs no line here. Where seconds are
expected, a string such as "3h", "10 s" or "7d" is read as a duration.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import inspect

from streamgauge.pipelines.config.checks import faults_of
from streamgauge.pipelines.config.faults import ConfigError, Fault, suggestion
from streamgauge.pipelines.config.schema import Config

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_DURATION = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*(ms|s|min|m|h|d|w)\s*")
_NOTHING: Final = object()
_MEANT: Final = re.compile(r"; did you mean (\w+)\?")
_REFERRED: Final = frozenset({"jobs", "name", "features", "windows"})  # what other parts speak of
# Numbers that are no seconds: a duration there would be a mistake.
_PLAIN = frozenset({
    "cost", "importance", "low", "high", "threshold", "threshold_twice", "clear", "weight", "minimum", "rules", "above",
    "below", "equals", "keep_rate", "positive", "pages", "quantile", "relative_tolerance",
})  # fmt: skip
_KIND_WORDS = {
    inspect.FloatType: "a number", inspect.IntType: "a whole number", inspect.StrType: "a string",
    inspect.BoolType: "true or false", inspect.DictType: "a table", inspect.StructType: "a table",
    inspect.VarTupleType: "an array", inspect.LiteralType: "one of the known words", inspect.NoneType: "nothing",
}


def load(path: Path) -> Config:
    """The configuration in a file.

    Raises:
        ConfigError: the file is missing, is not TOML or has faults; all of them are in it.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        remedy = "name an existing file"
        raise ConfigError([Fault("", f"cannot read {path}: {error.strerror or error}; {remedy}")]) from None
    except UnicodeDecodeError as error:
        fault = Fault("", f"{path} is not UTF-8 at byte {error.start}; name a TOML file, or save it as UTF-8")
        raise ConfigError([fault]) from None
    return parse(text, str(path))


def parse(text: str, source: str = "") -> Config:
    """The configuration in a TOML text.

    >>> parse('jobs.ctr.pane = "5 s"').jobs[0].pane
    5.0

    Raises:
        ConfigError: it is not TOML or has faults; all of them are in it.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([Fault("", f"not TOML: {error}; see README.md for an example")], source) from None
    faults: list[Fault] = []
    raw, kind = _jobs_as_array(raw), inspect.type_info(Config)
    config = _walk(raw, kind, "", faults)
    if faults:
        raise ConfigError([*faults, *_further(_sound(raw, kind, ""), faults)], source)
    faults.extend(faults_of(config))
    if faults:
        raise ConfigError(faults, source)
    assert isinstance(config, Config)
    return config


def duration(text: str) -> float:
    """Seconds of a duration.

    >>> duration("3h"), duration("10 s"), duration("7d"), duration("250ms")
    (10800.0, 10.0, 604800.0, 0.25)

    Raises:
        ValueError: it is not a number with one of the units ms, s, m, min, h, d, w.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f'{text!r} is no duration; write a number with a unit, such as "10 s", "3h" or "7d"')
    return float(match[1]) * _UNITS[match[2]]


def is_seconds(path: str) -> bool:
    """Whether a number at this place is one of seconds, and may be written as a duration.

    >>> is_seconds("jobs.ctr.labels.margin"), is_seconds("jobs.ctr.features[0].low")
    (True, False)
    """
    return not _PLAIN.intersection(re.split(r"[.\[\]]+", path)[2:])


def _jobs_as_array(raw: dict[str, Any]) -> dict[str, Any]:
    """`[jobs.NAME]` tables become the `[[jobs]]` array with a name, which is the other way to write them."""
    jobs = raw.get("jobs")
    if not isinstance(jobs, dict):
        return raw
    return raw | {"jobs": [job | {"name": name} if isinstance(job, dict) else job for name, job in jobs.items()]}


def _sound(value: Any, kind: inspect.Type, path: str) -> Any:
    """What of a value is of its type, `_NOTHING` where no part is."""
    if _fits(value, kind, path):
        return value
    kept: Any = _NOTHING
    structs = [one for one in getattr(kind, "types", (kind,)) if isinstance(one, inspect.StructType)]
    if len(structs) == 1 and isinstance(value, dict):
        types = {field.encode_name: field.type for field in structs[0].fields if field.name != "version"}
        parts = {name: _sound(value[name], types[name], _join(path, name)) for name in value if name in types}
        kept = {name: part for name, part in parts.items() if part is not _NOTHING}
    elif isinstance(kind, inspect.VarTupleType) and isinstance(value, list):
        items = [_sound(item, kind.item_type, _item_path(path, i, item)) for i, item in enumerate(value)]
        kept = [item for item in items if item is not _NOTHING]
    return kept if kept is not _NOTHING and _fits(kept, kind, path) else _NOTHING


def _fits(value: Any, kind: inspect.Type, path: str) -> bool:
    faults: list[Fault] = []
    _walk(value, kind, path, faults)
    return not faults


def _further(sound: Any, known: Sequence[Fault]) -> list[Fault]:
    """What is wrong with the meaning of the parts that no known fault touches, nor what they refer to."""
    if sound is _NOTHING:
        return []
    config: Config = _walk(sound, inspect.type_info(Config), "", [])
    names = [job.name for job in config.jobs]
    touched = {_section(fault.path, names) for fault in known}
    for fault in known:
        meant = _MEANT.search(fault.message)
        job, section = _section(fault.path, names)
        touched |= {(job, meant[1])} if meant and fault.path.endswith(section) else set()
    unclear = {job for job, section in touched if section in _REFERRED}
    found = [(fault, _section(fault.path, names)) for fault in faults_of(config)]
    return [fault for fault, at in found if at not in touched and at[0] not in unclear and not (unclear and not at[0])]


def _section(path: str, jobs: Sequence[str]) -> tuple[str, str]:
    """The job of a place ("" outside of one), and the table or key below it.

    >>> _section("jobs.ctr.features[2].low", ["ctr"]), _section("kafka.bootstrap", ["ctr"])
    (('ctr', 'features'), ('', 'kafka'))
    """
    job = next((name for name in jobs if path.startswith((f"jobs.{name}.", f"jobs.{name}["))), "")
    return job, re.split(r"[.\[]", path.removeprefix(f"jobs.{job}.") if job else path)[0]


def _walk(value: Any, kind: inspect.Type, path: str, faults: list[Fault]) -> Any:
    if isinstance(kind, inspect.UnionType):
        return _walk_union(value, kind, path, faults)
    if isinstance(kind, inspect.StructType) and isinstance(value, dict):
        return _walk_struct(value, kind, path, faults)
    if isinstance(kind, inspect.VarTupleType) and isinstance(value, list):
        return tuple(_walk(item, kind.item_type, _item_path(path, i, item), faults) for i, item in enumerate(value))
    if isinstance(kind, inspect.DictType) and isinstance(value, dict):
        return {key: _walk(item, kind.value_type, _join(path, key), faults) for key, item in value.items()}
    if isinstance(kind, inspect.LiteralType):
        return _literal(value, kind, path, faults)
    return _scalar(value, kind, path, faults)


def _walk_struct(raw: dict[str, Any], kind: inspect.StructType, path: str, faults: list[Fault]) -> Any:
    before = len(faults)
    fields = {field.encode_name: field for field in kind.fields if field.name != "version"}
    unknown = sorted(raw.keys() - fields.keys())
    faults.extend(Fault(_join(path, key), f"unknown key{suggestion(key, fields.keys())}") for key in unknown)
    for name, field in fields.items():
        if field.required and name not in raw:
            faults.append(Fault(_join(path, name), f'missing; add {name} = "..."'))
    values = {
        field.name: _walk(raw[name], field.type, _join(path, name), faults)
        for name, field in fields.items() if name in raw
    }
    return kind.cls(**values) if len(faults) == before else None


def _walk_union(value: Any, kind: inspect.UnionType, path: str, faults: list[Fault]) -> Any:
    best: list[Fault] = []
    for option in kind.types:
        trial: list[Fault] = []
        result = _walk(value, option, path, trial)
        if not trial:
            return result
        best = best or trial
    structs = [option for option in kind.types if isinstance(option, inspect.StructType)]
    if len(structs) == 1 and isinstance(value, dict):
        return _walk_struct(value, structs[0], path, faults)
    words = " or ".join(_KIND_WORDS[type(option)] for option in kind.types if not isinstance(option, inspect.NoneType))
    faults.extend(best if len(kind.types) == 1 else [Fault(path, f"must be {words}, got {_shown(value)}")])
    return None


def _literal(value: Any, kind: inspect.LiteralType, path: str, faults: list[Fault]) -> Any:
    if value in kind.values:
        return value
    words = [str(word) for word in kind.values]
    faults.append(Fault(path, f"must be one of {', '.join(words)}, got {_shown(value)}{_close(value, words)}"))
    return None


def _scalar(value: Any, kind: inspect.Type, path: str, faults: list[Fault]) -> Any:
    if isinstance(kind, inspect.FloatType):
        return _number(value, path, faults)
    python = {inspect.IntType: int, inspect.StrType: str, inspect.BoolType: bool}.get(type(kind))
    if python is not None and isinstance(value, python) and not (python is int and isinstance(value, bool)):
        return value
    faults.append(Fault(path, f"must be {_KIND_WORDS[type(kind)]}, got {_shown(value)}"))
    return None


def _number(value: Any, path: str, faults: list[Fault]) -> float:
    takes_durations = is_seconds(path)
    if isinstance(value, str) and takes_durations:
        try:
            return duration(value)
        except ValueError as error:
            faults.append(Fault(path, str(error)))
            return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        faults.append(Fault(path, f"must be a number{' of seconds' if takes_durations else ''}, got {_shown(value)}"))
        return math.nan
    if not math.isfinite(value):
        faults.append(Fault(path, f"must be a finite number, got {value}"))
    return float(value)


def _close(value: Any, words: list[str]) -> str:
    close = difflib.get_close_matches(str(value), words, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _item_path(path: str, index: int, item: Any) -> str:
    name = item.get("name") if isinstance(item, dict) else None
    return f"jobs.{name}" if path == "jobs" and isinstance(name, str) and name else f"{path}[{index}]"


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _shown(value: Any) -> str:
    text = repr(value) if not isinstance(value, bool) else str(value).lower()
    return text if len(text) <= 60 else text[:57] + "..."


def to_json(config: msgspec.Struct) -> bytes:
    """A configuration, or one job's, as canonical JSON: what a `Setting` carries and what is compared at start."""
    return msgspec.json.encode(config, order="deterministic")
