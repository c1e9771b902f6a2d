"""The played hour: faults that overlap at two workers, at the defaults; each is told once, for itself, and truly."""

from __future__ import annotations

from typing import Any

from streamgauge.anomaly.types import Anomaly, Notification
from streamgauge.pipelines.config.schema import Config, Feature, JobConfig
from streamgauge.pipelines.paging.pager import KINDS, Pager
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer.records import Tick

JOB = JobConfig(
    name="ctr", workers=2, features=(Feature(name="city", kind="id"), Feature(name="age", kind="numeric")),
    paged=("feature:*/missing_rate", "label_arrivals"),
)  # fmt: skip
NULL = {"entity": "feature:city", "domain": "sample", "severity": "page", "score": 20.0}
NAN = {"entity": "loss", "domain": "train", "severity": "page-now", "kind": "fact", "score": 1e9, "text": "loss is NaN"}
GRADIENT = {"entity": "tensor:dense", "domain": "train", "severity": "page", "score": 15.0}
DEAD = {"domain": "system", "severity": "page", "kind": "fact", "score": 1e9, "text": "no record for 30 s"}
SILENT = {"domain": "sample", "severity": "page", "score": 12.0, "text": "no label arrived"}
Event = tuple[float, str, str, dict[str, Any]]


def hour(events: list[Event], until: float = 3600.0) -> list[Notification]:
    """Ticks a second with the events between them, given as (time found, metric, worker, more)."""
    pager, told, number = Pager(Config(jobs=(JOB,))), [], 0
    queue = sorted(events, key=lambda event: event[0])
    for second in range(1, int(until) + 1):
        messages = []
        while queue and queue[0][0] <= second:
            time, metric, worker, more = queue.pop(0)
            number += 1
            fields = {"kind": "anomaly", "start": time, "entity": "", **more}
            anomaly = Anomaly(job="ctr", worker=worker, metric=metric, time=time, number=number, **fields)  # type: ignore[arg-type]
            messages.append(outputs.encode(anomaly))
        for output in pager.on_records([*messages, outputs.encode(Tick(job="ctr", time=float(second)))]):
            record = outputs.decode(output.value, KINDS)
            if isinstance(record, Notification):
                told.append(record)
    return told


def played() -> list[Event]:
    """Null feature, healed; 70 s later NaN at both workers; w1 is killed; labels are held back; all of it heals."""
    events: list[Event] = []
    for worker, score in (("", 25.0), ("w0", 20.0), ("w1", 20.0)):
        city = NULL | {"start": 60.0, "score": score}
        events += [(181, "missing_rate", worker, city), (420, "missing_rate", worker, city | {"end": 360.0})]
        events += [(182, "gradient_norm", worker, GRADIENT | {"start": 60.0})]
        events += [(430, "gradient_norm", worker, GRADIENT | {"start": 60.0, "end": 365.0})]
    for worker in ("w0", "w1"):
        events.append((430, "nonfinite", worker, NAN))
    events += [(1490, "nonfinite", "w1", NAN | {"start": 430.0, "end": 1480.0})]
    events += [(1890, "nonfinite", "w0", NAN | {"start": 430.0, "end": 1880.0})]
    events += [(900, "missing", "w1", DEAD), (1200, "missing", "w1", DEAD | {"start": 900.0, "end": 1190.0})]
    for worker in ("", "w0", "w1"):
        silent = SILENT | {"start": 1260.0}
        events += [(1380, "label_arrivals", worker, silent), (2000, "label_arrivals", worker, silent | {"end": 1950.0})]
    return events


def test_each_of_the_overlapping_faults_is_told_once_with_its_own_root() -> None:
    told = hour(played())
    firing = [(note.root.node, note.root.severity) for note in told if note.status == "firing"]
    assert firing == [
        ("feature:city", "page"), ("model@w0", "page-now"), ("heartbeat@w1", "page"), ("labels", "page"),
    ]  # fmt: skip


def test_nan_is_told_in_the_second_it_is_found() -> None:
    told = hour(played(), until=500.0)
    nan = next(note for note in told if note.root.metric == "nonfinite")
    assert nan.time == 430.0
    assert nan.text.splitlines()[0] == (
        "PAGE NOW [ctr] model of the whole job (w0, w1): NaN or infinite numbers in loss since 1 Jan 00:07"
    )


def test_every_over_is_true_when_it_is_sent() -> None:
    events = played()
    ends = {(metric, worker, more["start"]): more["end"] for _, metric, worker, more in events if "end" in more}
    told = hour(events)
    over = [note for note in told if note.status == "resolved"]
    for note in over:
        mine = [note.root, *(item.alert for item in note.suppressed)]
        still = [alert for alert in mine if ends[alert.metric, alert.worker, alert.start] > note.time]
        assert (note.reason.decision == "handed over") == bool(still), note.text
    assert len({note.root.episode for note in over}) == len(over)
    assert len(over) == sum(note.status == "firing" for note in told)


def test_one_worker_that_heals_before_the_other_hands_the_incident_over() -> None:
    events = [(430.0, "nonfinite", worker, NAN) for worker in ("w0", "w1")]
    events += [(600.0, "nonfinite", "w0", NAN | {"start": 430.0, "end": 590.0})]
    told = [note for note in hour(events, until=1200.0) if note.reason.decision != "repeat"]
    assert [(note.status, note.root.node) for note in told] == [
        ("firing", "model@w0"), ("firing", "model@w1"), ("resolved", "model@w0"),
    ]  # fmt: skip
    assert told[-1].text.splitlines()[0] == "OVER IN PART [ctr] model at w0 is over; still: model at w1"


def test_a_null_feature_cannot_stop_a_worker_nor_hold_labels_back() -> None:
    events: list[Event] = [(100.0, "missing_rate", "w1", NULL)]
    events += [(130.0, "missing", "w1", DEAD), (132.0, "label_arrivals", "w1", SILENT)]
    told = hour(events, until=400.0)
    assert sorted(note.root.node for note in told) == ["feature:city@w1", "heartbeat@w1"]
    dead = [note for note in told if note.root.metric == "missing"]
    assert not [item for note in told for item in note.suppressed if note not in dead]
