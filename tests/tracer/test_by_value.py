"""Errors by value of the features that are looked at: from a join, from a step alone, of several values, of a head."""

import numpy as np

from streamgauge.tracer.evaluation import MOST_FIND, Evaluation, faults_of
from streamgauge.tracer.summaries import code_of
from streamgauge.tracer.summaries.value_errors import UNIT, edges
from streamgauge.tracer.tasks import Head, Task
from tests.tracer.streams import LABELS, Sent

FIND = Evaluation(find=("city", "age", "tags"))
ROWS = {"city": ["a", "b", "a", None], "age": [5.0, 5.5, 0.0, None], "tags": [["x", "y", "x"], [], None, ["y"]]}
P, Y = [0.5, 0.25, 0.125, 0.5], [1, 0, 1, 0]


def by_value(sent, feature, task=""):
    return sent.sketches()["train", "by_value", f"{task}feature:{feature}", "value_errors"]


def check(sent, task=""):
    city, age, tags = (by_value(sent, name, task) for name in FIND.find)
    assert dict(zip(city.keys.tolist(), (city.sums[:3] / [[1], [UNIT], [UNIT]]).T.tolist(), strict=True)) == {
        0: [1, 0.0, 0.5], code_of("a", b""): [2, 2.0, 0.625], code_of("b", b""): [1, 0.0, 0.25],
    }  # fmt: skip
    ranges = dict(zip(map(tuple, edges(age.keys).tolist()), age.sums[0].tolist(), strict=True))
    assert {key: rows for key, rows in ranges.items() if key[0] == key[0]} == {(0.0, 0.0): 1, (4.0, 6.0): 2}
    assert dict(zip(tags.keys.tolist(), tags.sums[0].tolist(), strict=True)) == {
        code_of("x", b""): 1, code_of("y", b""): 2,
    }  # fmt: skip


def test_of_joined_rows():
    sent = Sent(evaluation=FIND)
    sent.tracer.observe(ROWS, ids=np.arange(4), predictions=P)
    sent.tracer.label(np.arange(4), Y)
    sent.tracer.step(ids=np.arange(4))
    check(sent)


def test_of_a_step_that_has_all_and_of_a_head_in_it():
    cvr = Task(name="cvr", labels=LABELS)
    sent = Sent(evaluation=FIND, tasks=[cvr])
    sent.tracer.step(features=ROWS, labels=Y, predictions=P, time=0.0, tasks={"cvr": Head(labels=Y, predictions=P)})
    check(sent)
    check(sent, "task:cvr/")


def test_rows_that_cannot_be_weighed_are_in_no_sum_and_counted():
    sent = Sent(evaluation=Evaluation(find=("city",)))
    sent.tracer.step(
        features={"city": list("abcd")}, labels=Y, predictions=P, time=0.0, weights=[1.0, -1.0, 1e5, float("nan")]
    )
    found = by_value(sent, "city")
    assert (found.keys.tolist(), found.unusable) == ([code_of("a", b"")], 3)


def test_at_most_sixteen_features_are_looked_at():
    assert list(faults_of(Evaluation(find=tuple("abcdefghijklmnop")))) == []
    (fault,) = faults_of(Evaluation(find=tuple("abcdefghijklmnopq")))
    assert fault == f"find: has 17 features, at most {MOST_FIND} are looked at"
