"""A small recorded store for the tests of the page: a week of a sick job, a hostile one, a stale one, an empty one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from streamgauge.anomaly.types import Alert, Anomaly, Decision, Edge, Notification, Part, Reason, Score, Suppressed
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.config.schema import Config, Feature, JobConfig, Retention, WindowSpec
from streamgauge.pipelines.ports import Stored
from streamgauge.pipelines.wire.outputs import Change, Counters, PointColumns, Profiles
from streamgauge.tracer.summaries import Counts, Histogram, LabelBuckets, ValueErrors, encode

HOUR: Final = 3600.0
START: Final = 1_767_225_600.0  # 2026-01-01
HOURS: Final = 7 * 24
NOW: Final = START + HOURS * HOUR
HOSTILE: Final = "<img src=x onerror=alert(document.domain)>"
QUOTES: Final = "\"'`;--></script><svg onload=alert(1)>\u202egnp.exe"
LONG: Final = "x" * 4000
SICK, STALE, EMPTY, LIVE = "ctr", "stale-job", "not-yet", "live"
# (worker, domain, entity, metric); the second hundred hours change the first, the last day the second
KEYS: Final = (
    ("", "sample", "feature:early", "missing_rate"), ("", "sample", "feature:late", "missing_rate"),
    ("LGA", "sample", "feature:late", "missing_rate"), ("", "train", "", "auc"), ("", "train", "", "loss"),
    ("", "sample", f"feature:{HOSTILE}", "psi"), (QUOTES, "sample", f"feature:{LONG}", "psi"),
    ("", "train", f"tensor:{QUOTES}", "gradient_norm"), ("", "train", "slice:new users", "slice_auc"),
    ("", "train", "slice:new users", "slice_pcoc"), ("", "train", f"slice:{HOSTILE}", "slice_auc"),
)  # fmt: skip
EARLY: Final = (START + 60 * HOUR, START + 72 * HOUR)
LATE: Final = (START + 156 * HOUR, START + 168 * HOUR)


def config(data: Path) -> Config:
    """Five jobs with hourly windows; nothing is forgotten."""
    hourly = (WindowSpec(name="1h", kind="short", length=HOUR, slide=HOUR),)
    longer = WindowSpec(name="6h", kind="long", length=6 * HOUR, slide=6 * HOUR)
    features = (Feature(name="early", kind="numeric"), Feature(name="late", kind="numeric"))
    jobs = [
        JobConfig(
            name=name, pane=HOUR, tick=HOUR, windows=(*hourly, longer) if name == HOSTILE else hourly,
            features=features,
            topology=(Edge("feature:late", "prediction"),),
        )
        for name in (SICK, HOSTILE, STALE, EMPTY, LIVE)
    ]  # fmt: skip
    kept = 366 * 24 * HOUR
    retention = Retention(raw=kept, r10=kept, r60=kept, profiles=kept, log=kept)
    return Config(data=str(data), port=0, console=False, jobs=tuple(jobs), retention=retention)


def fill(path: Path) -> None:
    """Write the store."""
    store = SqliteStore(path)
    store.write(list(_records()))
    store.close()


def score(job: str, end: float, micropoints: dict[str, int], parts: tuple[Part, ...]) -> list[Score]:
    """The overall score of a window and its domains; the parts take what the overall score has lost."""
    overall = 100_000_000 - sum(part.micropoints for part in parts)
    each = {"overall": overall, **micropoints}
    return [
        Score(
            job=job, domain=domain, start=end - HOUR, end=end, micropoints=value, coverage=0.9,
            parts=tuple(part for part in parts if domain in ("overall", part.domain))
            if domain == "overall" else (Part(domain, "", "", "rest", 100_000_000 - value),),
        )
        for domain, value in each.items()
    ]  # fmt: skip


def sick_parts(lost: int) -> tuple[Part, ...]:
    """Parts whose tenths do not add up when each is rounded by itself; some are small, one is unknown."""
    return (
        Part("sample", "feature:late", "", "missing_rate", lost),
        Part("train", "", "", "auc", 3_333_333), Part("train", "", "", "pcoc", 3_333_333),
        Part("sample", f"feature:{HOSTILE}", "", "psi", 2_449_999),
        Part("train", "", "", "label_rate", 1_650_001, "unknown"),
        *(Part("system", f"feature:f{i}", "LGA", "cpu", 149_999) for i in range(5)),
    )  # fmt: skip


def healthy(job: str, end: float) -> list[Score]:
    """Scores of a job that lacks little."""
    whole = {"sample": 99_000_000, "train": 97_000_000, "system": 100_000_000}
    return score(job, end, whole, (Part("train", "", "", "loss", 2_000_000),))


def _records() -> Iterator[Stored]:
    for hour in range(1, HOURS + 1):
        end = START + hour * HOUR
        is_late = end > LATE[0]
        domains = {"sample": 40_000_000 if is_late else 95_000_000, "train": 80_000_000, "system": 99_000_000}
        yield from score(SICK, end, domains, sick_parts(47_000_000 if is_late else 1_000_000))
        yield from healthy(HOSTILE, end)
        yield from healthy(LIVE, end)
        if hour < HOURS - 24:
            yield from healthy(STALE, end)
        yield _points(SICK, end, hour)
        if hour % 6 == 0:
            yield _profiles(SICK, end, hour)
            yield _rival(LIVE, end, hour)
            yield _by_value(HOSTILE, end, hour)
    yield from _story()
    yield from _learnt()


def _points(job: str, end: float, hour: int) -> PointColumns:
    noise = np.sin(np.arange(len(KEYS)) + hour) * 0.01
    value = 0.2 + noise
    value[0] += 0.5 if EARLY[0] < end <= EARLY[1] else 0.0
    value[1] += 0.6 if end > LATE[0] else 0.0
    n = len(KEYS)
    reference, width = np.full(n, 0.2), np.full(n, 0.05)
    return PointColumns(
        job=job, window="1h", start=end - HOUR, end=end, revision=0, number=hour, keys=msgspec.msgpack.encode(KEYS),
        value=value.tobytes(), rows=np.full(n, 500.0).tobytes(), error=np.full(n, 0.01).tobytes(),
        floor=np.full(n, 0.05).tobytes(), reference=reference.tobytes(), low=(reference - width).tobytes(),
        high=(reference + width).tobytes(),
    )  # fmt: skip


def _profiles(job: str, end: float, hour: int) -> Profiles:
    random = np.random.default_rng(hour)
    values, predictions = random.normal(10 + (hour > 156), 2, 300), random.beta(2, 6, 400)
    labels = (random.random(400) < predictions).astype(int)
    sketches = (
        encode(Counts.of_numeric(values), "sample", "profile", "feature:late"),
        encode(Histogram.of(values), "sample", "profile", "feature:late"),
        encode(LabelBuckets.of(predictions, labels), "train", "labels", ""),
    )
    return Profiles(
        job=job, worker="", window="1h", start=end - HOUR, end=end, revision=0, number=hour, sketches=sketches
    )


def _by_value(job: str, end: float, hour: int) -> Profiles:
    """Rows with the value 1 of a feature are positive twice as often as predicted."""
    random = np.random.default_rng(hour)
    values, predictions = random.integers(0, 4, 900).astype(float), random.beta(2, 18, 900)
    labels = random.random(900) < predictions * (1 + (values == 1.0))
    found = ValueErrors.of(values, predictions, labels, np.ones(900))
    sketch = encode(found, "train", "by_value", f"feature:{HOSTILE}")
    return Profiles(
        job=job, worker="", window="6h", start=end - 6 * HOUR, end=end, revision=0, number=hour, sketches=(sketch,)
    )


def _rival(job: str, end: float, hour: int) -> Profiles:
    """A model that knows less, on other rows of the same stream."""
    random = np.random.default_rng(10_000 + hour)
    sound = random.beta(2, 6, 400)
    labels = (random.random(400) < sound).astype(int)
    sketch = encode(LabelBuckets.of(random.permutation(sound), labels), "train", "labels", "")
    return Profiles(
        job=job, worker="", window="1h", start=end - HOUR, end=end, revision=0, number=hour, sketches=(sketch,)
    )


def _story() -> Iterator[Stored]:
    start = LATE[0]
    for worker, entity, metric in (("", "feature:late", "missing_rate"), ("", f"feature:{HOSTILE}", "psi")):
        yield Anomaly(
            kind="anomaly", job=SICK, worker=worker, domain="sample", entity=entity, metric=metric, severity="page",
            start=start, time=start + HOUR, value=0.8, expected=0.2, score=12.5, detector="seasonal_robust", number=1,
            text=f"{metric} 80 % (normal 20 %)",
        )  # fmt: skip
    root = _alert("feature:late", "late", start)
    folded = _alert("prediction", "pred", start + 2 * HOUR)
    why = Reason(
        decision="inhibited", text="follows from feature late", cause=root.episode, root=root.episode,
        path=("feature:late", "prediction"), gap=2 * HOUR, topology=1,
    )  # fmt: skip
    yield Notification(
        id="n0001", job=SICK, status="firing", time=start + HOUR, root=root,
        reason=Reason(decision="root", text=f"nothing upstream of feature:late is broken {HOSTILE}"),
        text=f"[ctr] feature late: missing_rate 80 % (normal 20 %)\nLook at: {HOSTILE}",
        suppressed=(Suppressed(folded, why),),
    )  # fmt: skip
    yield Decision(job=SICK, time=start + 3 * HOUR, alert=folded, state="suppressed", reason=why, notification="n0001")
    for begin, rate in ((START, 0.01), (START + 72 * HOUR, 0.02)):
        yield Change(job=SICK, name="begin", time=begin)
        yield Change(job=SICK, name="configured", time=begin, text=f'{{"rate": {rate}, "note": "{HOSTILE}"}}')
    yield Change(job=SICK, name="end", time=START + 71 * HOUR)
    yield Change(job=SICK, name="model-push", time=START + 100 * HOUR, text=f"v42 {HOSTILE}", worker="LGA")
    counts = dict.fromkeys(
        ("records", "points", "late", "duplicate", "superseded", "clamped", "overflow", "dead", "lost"), 3
    )
    yield Counters(job=SICK, number=1, time=NOW, counts=counts)


def _learnt() -> Iterator[Stored]:
    """One feature of the hostile job after another, again and again."""
    for i in range(6):
        for entity, lag in ((f"feature:{HOSTILE}", 0.0), ("feature:late", 40.0)):
            start = START + 24 * i * HOUR + lag
            yield Anomaly(
                kind="anomaly", job=HOSTILE, worker="", domain="sample", entity=entity, metric="psi", severity="ticket",
                start=start, end=start + HOUR, time=start + HOUR, number=2 * i + (lag > 0) + 1,
            )  # fmt: skip


def _alert(node: str, name: str, start: float) -> Alert:
    return Alert(
        fingerprint=name, node=node, job=SICK, domain="sample", entity=node if ":" in node else "", worker="",
        metric="missing_rate", severity="page", score=12.5, start=start, arrival=start + HOUR,
        text="missing_rate 80 % (normal 20 %)",
    )  # fmt: skip


def many(job: str, end: float, count: int) -> PointColumns:
    """A window of a job with very many series."""
    keys = [("", "sample", f"feature:f{number:05d}", "psi") for number in range(count)]
    value, none = np.full(count, 0.25).tobytes(), np.full(count, np.nan).tobytes()
    return PointColumns(
        job=job, window="1h", start=end - HOUR, end=end, revision=0, number=1, keys=msgspec.msgpack.encode(keys),
        value=value, rows=value, error=none, floor=none, reference=none, low=none, high=none,
    )  # fmt: skip
