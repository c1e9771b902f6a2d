"""What is said at night: every metric has words, a first line fits a lock screen, no name, sigma or hash is in it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.anomaly.types import Alert, Anomaly, Notification, Reason
from streamgauge.pipelines.config.schema import Feature, JobConfig
from streamgauge.pipelines.paging import lineage, messages, words
from streamgauge.pipelines.registry import METRICS
from tests.pipelines.paging import test_waking
from tests.pipelines.paging.test_waking import Desk, found

NOON = 1_795_780_800.0  # 27 November 2026, 12:00 UTC


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_has_words_of_its_own(metric: str) -> None:
    name = metric.partition("@")[0]
    assert any(name == known or name.startswith(f"{known}_") for known in words.PHRASES)
    said = words.describe(Anomaly(
        kind="anomaly", job="j", worker="", domain="train", entity="", metric=metric, severity="page", start=0.0,
        time=0.0, value=0.25, expected=0.125, text="unused (+9.0 sigmas)",
    ))  # fmt: skip
    assert not re.search(r"[a-z]_[a-z]|sigma", said)
    assert len(said) <= 90


def test_every_place_says_whom_it_hurts_and_what_to_do() -> None:
    assert {*lineage.PLACES, "feature", "source"} <= set(words.ACTIONS)


@pytest.mark.parametrize(
    ("anomaly", "said"),
    [
        ({"metric": "missing", "value": 90.0, "text": "no record for 90 s"}, "no sign of life for 1 min 30 s"),
        ({"metric": "behind", "value": 3600.0}, "alive, but has taken nothing in for 1 h"),
        ({"metric": "nonfinite", "entity": "tensor:dense/kernel", "text": "nonfinite in tensor:dense/kernel: 3"},
         "NaN or infinite numbers in tensor dense/kernel"),
        ({"metric": "pcoc", "value": 1.8, "expected": 1.5, "detector": "limit",
          "text": "pcoc is 180 %, above its limit of 150 %"},
         "predicted is 1.8 times what happens (limit 1.5)"),
        ({"metric": "vanished", "text": "unknown, though known for days: duplicate_rate, label_delay_p95"},
         "unknown, though known for days: duplicate rate, label delay p95"),
    ],
)  # fmt: skip
def test_facts_are_told_in_words(anomaly: dict[str, object], said: str) -> None:
    fields = {"entity": "", "text": "", **anomaly}
    fact = Anomaly(
        kind="fact", job="j", worker="w1", domain="system", severity="page", start=0.0, time=0.0, **fields,  # type: ignore[arg-type]
    )  # fmt: skip
    assert words.describe(fact) == said


@given(st.text(max_size=90), st.text(min_size=1, max_size=90), st.text(max_size=200), st.floats(0, 2 * NOON))
def test_the_first_line_fits_a_lock_screen_whatever_things_are_called(
    worker: str, job: str, what: str, start: float
) -> None:
    root = Alert(
        fingerprint="a", node=f"feature:age@{worker}", job=job, domain="sample", entity="", worker=worker, metric="psi",
        severity="page-now", score=9.0, start=start, arrival=NOON, text=what,
    )  # fmt: skip
    note = Notification(
        id="1", job=job, status="firing", time=NOON, root=root, reason=Reason(decision="root", text=""), text="",
    )  # fmt: skip
    line = messages.text(note, JobConfig(name="j")).split("\n")[0]
    assert len(line) <= messages.LONGEST
    assert line.startswith("PAGE NOW [") and " since " in line


FIRST = """\
PAGE [ctr] feature nick_cate_pv of the whole job: null or absent in all of 4,812 rows since 27 Nov 19:59
Impact: the model learns from it now; predictions in service get worse with the next push, and at once if serving \
reads the same source. The gate holds model pushes while this is open; the last good model is from before 19:59.
Cause: feature nick_cate_pv of the whole job, null or absent in all of 4,812 rows.
Why you are told: it is taken for the root; nothing upstream of feature nick_cate_pv of the whole job is broken \
(2 places looked at).
Since 27 Nov 19:59 Asia/Shanghai (27 Nov 11:59 UTC), found 1 min later, held 45 s for a cause to show.
Nothing is open at: samples, labels, model, predictions, workers.
Look at: see where nick_cate_pv comes from and how it is joined; undo what was deployed there shortly before.
Careful: do not restart workers, they would train on the same rows.
Folded beneath it, 1: 1 of training.
  - training of the whole job: the loss is 1.4 times a plain guess's (normal 0.8), 30 s after it
Next: told again at 20:05, 20:15, 20:30; from 20:15 on ml too, until somebody acknowledges it; that it is over is told \
here."""


def test_the_first_notification_says_all_that_a_tired_person_needs() -> None:
    job = JobConfig(
        name="ctr", timezone="Asia/Shanghai", workers=4, features=(Feature(name="nick_cate_pv", kind="numeric"),),
        owners={"feature:*": "features", "*": "ml"},
    )  # fmt: skip
    desk = Desk(job)
    null = found(
        "missing_rate", kind="fact", detector="absolute", domain="sample", entity="feature:nick_cate_pv",
        text="null or absent in all of 4,812 rows", start=test_waking.NOON - 60,
    )  # fmt: skip
    loss = found("normalized_entropy", 30.0, value=1.4, expected=0.8, start=test_waking.NOON - 30)
    told = [*desk.hears(0.0, null, loss), *desk.hears(60.0)]
    assert [note.text for note in told] == [FIRST]


def test_features_that_are_absent_at_once_are_one_page_that_names_them() -> None:
    names = ("age", "city", "item", "nick_cate_pv", "price")
    job = JobConfig(name="ctr", features=tuple(Feature(name=name, kind="numeric") for name in names))
    desk = Desk(job)
    absent = [
        found(
            "missing_rate", kind="fact", detector="absolute", domain="sample", entity=f"feature:{name}",
            text="null or absent in all of 4,812 rows", start=test_waking.NOON - 60,
        )
        for name in names
    ]  # fmt: skip
    (note,) = [*desk.hears(0.0, *absent), *desk.hears(60.0)]
    line, *rest = note.text.split("\n")
    what = "null or absent in all of 4,812 rows since 27 Nov 11:59"
    assert line == f"PAGE [ctr] 5 features (age, city, item and 2 more): {what}"
    where = "features age, city, item, nick_cate_pv, price of the whole job"
    assert f"Cause: {where}, null or absent in all of 4,812 rows." in rest
