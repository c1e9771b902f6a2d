"""Records as the JSON-ready answers of the `Query` port, whatever store they come from."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from streamgauge.anomaly.types import Anomaly, Part
from streamgauge.pipelines.wire.outputs import DeadLetter

# the lowest score of each band
BANDS: Final = ((90_000_000, "healthy"), (75_000_000, "watch"), (60_000_000, "degraded"))
_PART: Final = "\x1f"  # between a window and the number of a part
SPARKLINE: Final = 60  # scores shown beside a job
DEAD_BYTES: Final = 64  # bytes of a dead letter that are shown


def band(micropoints: int) -> str:
    """A score in a word.

    >>> band(90_000_000), band(74_999_999), band(0)
    ('healthy', 'degraded', 'broken')
    """
    return next((word for least, word in BANDS if micropoints >= least), "broken")


def plain(value: Any) -> Any:
    """A record as JSON-ready objects, keyed by the names of its fields; bytes as base64, non-finite numbers as None.

    >>> from streamgauge.anomaly.types import Edge
    >>> shown = plain([Edge("a", "b", float("inf"))])[0]
    >>> shown["cause"], shown["delay"], shown["weight"]
    ('a', None, 1.0)
    """
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__ if name != "version"}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return finite(value)


def finite(value: Any) -> Any:
    """The value, None for a number that is not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def score(
    domain: str, start: float, end: float, micropoints: int, coverage: float | None, cap: str, revision: int
) -> dict[str, Any]:
    """One line of scores."""
    return {
        "domain": domain, "start": start, "end": end, "score": micropoints / 1e6, "micropoints": micropoints,
        "band": band(micropoints), "coverage": coverage, "cap": cap, "revision": revision,
    }  # fmt: skip


def parts(found: Iterable[Part]) -> list[dict[str, Any]]:
    """The parts of a breakdown, the largest loss first."""
    ranked = sorted(found, key=lambda p: (-p.micropoints, p.domain, p.entity, p.worker, p.metric))
    return [plain(part) | {"points": part.micropoints / 1e6} for part in ranked]


def job(
    name: str, recent: list[dict[str, Any]], domains: list[dict[str, Any]], before: int | None, first: float,
    newest: float | None, standing: tuple[int, int, Sequence[str]], reference: dict[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A job at a glance.

    Args:
        name: of the job.
        recent: its last overall scores, newest first.
        domains: the last score of each domain.
        before: micropoints an hour ago, None while there were none.
        first: end of the first window that was scored.
        newest: end of the last window of any kind.
        standing: how many incidents are open, how many alerts these hold back, which workers are missing.
        reference: `time` and `text` of the last one that it was given.
    """
    last, (open_, suppressed, missing) = recent[0], standing
    return {
        "job": name, **{key: value for key, value in last.items() if key not in ("domain", "revision")},
        "domains": domains, "change": None if before is None else (last["micropoints"] - before) / 1e6,
        "first": first, "last_data": max(last["end"], last["end"] if newest is None else newest),
        "sparkline": [{"end": line["end"], "score": line["score"]} for line in reversed(recent)],
        "open_incidents": open_, "suppressed": suppressed, "missing_workers": len(missing), "missing": list(missing),
        "reference": reference,
    }  # fmt: skip


def anomaly(found: Anomaly) -> dict[str, Any]:
    """An episode."""
    shown: dict[str, Any] = plain(found)
    return shown | {"fingerprint": found.fingerprint}


def dead_letter(found: DeadLetter, length: int) -> dict[str, Any]:
    """A dead letter of `length` bytes, with the begin of them as hexadecimal text."""
    names = ("identity", "reason", "text", "topic", "key")
    begin = found.data[:DEAD_BYTES].hex()
    return {name: getattr(found, name) for name in names} | {"bytes": length, "begin": begin}


def part_place(window: str, part: int) -> str:
    r"""Under which name of a window a part of its pictures is kept.

    >>> part_place("short", 0), part_place("short", 12)
    ('short', 'short\x1f0012')
    """
    return window if not part else f"{window}{_PART}{part:04}"


def whole(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pictures whose parts are one again, each as of its newest revision; rows come by end, place and part."""
    found: dict[tuple[float, str], dict[str, Any]] = {}
    for row in rows:
        window = row["window"].partition(_PART)[0]
        known = found.get((row["end"], window))
        if known is None or row["revision"] > known["revision"]:
            found[row["end"], window] = {**row, "window": window}
        elif row["revision"] == known["revision"]:
            known["sketches"] = [*known["sketches"], *row["sketches"]]
    return list(found.values())
