import re

import numpy as np
import pytest

from streamgauge.tracer.evaluation import Evaluation, Slice
from streamgauge.tracer.tasks import Head, Task
from streamgauge.tracer.tracer import Labels
from tests.tracer.streams import LABELS, Sent

CVR = Task(name="cvr", of="positives", labels=LABELS)
IDS = np.arange(4)
PAIRS = ("train", "labels", "task:cvr", "label_buckets")


def joined(**options) -> Sent:
    """Four rows seen, the first two clicked, the first bought."""
    sent = Sent(tasks=[CVR], **options)
    sent.tracer.observe(
        {"age": [1.0, 2.0, 3.0, 4.0], "user": list("aabb")}, ids=IDS, predictions=[0.6, 0.5, 0.4, 0.3],
        tasks={"cvr": Head(predictions=[0.4, 0.3, 0.2, 0.1])},
    )  # fmt: skip
    sent.tracer.label(IDS, [1, 1, 0, 0])
    return sent


def test_conversions_over_clicks_are_joined_with_the_prediction_that_was_seen():
    sent = joined()
    sent.now = 5.0
    sent.tracer.label(IDS[:2], [1, 0], task="cvr")
    sent.tracer.step(ids=IDS[:2], tasks={"cvr": Head()})
    found = sent.sketches()
    assert found[PAIRS].rows == 2
    assert found[PAIRS].sum_p.sum() == pytest.approx(0.7)
    assert found["label", "label_delay", "task:cvr", "histogram"].total == 2
    assert found["sample", "prediction", "task:cvr", "buckets"].rows == 4
    assert sent.total("label", "settled", "task:cvr") == 2


def test_labels_and_predictions_of_a_head_may_come_with_the_step():
    sent = joined()
    told = Head(labels=[1, 0, 1, 1], predictions=[0.4, 0.3, 0.2, 0.1], weights=[2.0, 1.0, 1.0, 1.0])
    sent.tracer.step(ids=IDS, tasks={"cvr": told})
    found = sent.sketches()[PAIRS]  # the last two were not clicked: they are no samples of it
    assert found.rows == 2
    assert found.weight_positive.sum() == pytest.approx(2.0)


def test_a_loop_without_a_join_gives_all_of_it_in_its_step():
    sent = Sent(tasks=[CVR])
    sent.tracer.step(
        labels=[1, 1, 0], predictions=[0.6, 0.5, 0.4], features={}, time=0.0,
        tasks={"cvr": Head(labels=[1, 0, 0], predictions=[0.4, 0.3, 0.2], loss=0.5)},
    )  # fmt: skip
    assert sent.sketches()[PAIRS].rows == 2
    assert sent.total("label", "labels", "task:cvr") == 2
    assert sent.total("train", "loss", "task:cvr") == pytest.approx(0.5)


def test_a_head_has_its_own_groups_and_slices():
    evaluation = Evaluation(groups=("user",), slices=(Slice(name="young", feature="age", below=2.0),))
    sent = joined(evaluation=evaluation)
    sent.tracer.step(ids=IDS, tasks={"cvr": Head(labels=[1, 0, 0, 0])})
    found = sent.sketches()
    assert found["train", "labels", "task:cvr/slice:young", "label_buckets"].rows == 1
    assert found["train", "groups", "task:cvr/group:user", "groups"].rows == 2


def test_samples_of_heads_wait_over_a_restart():
    sent = joined()
    again = Sent(tasks=[CVR])
    again.tracer.restore(sent.tracer.state())
    again.tracer.label(IDS[:2], [1, 0], task="cvr")
    again.tracer.step(tasks={"cvr": Head(ids=IDS[:2])})
    assert again.sketches()[PAIRS].sum_p.sum() == pytest.approx(0.7)
    waiting = Sent(tasks=[CVR])  # clicks that are known after the restart
    first = Sent(tasks=[CVR])
    first.tracer.observe({}, ids=IDS, tasks={"cvr": Head(predictions=[0.4, 0.3, 0.2, 0.1])})
    waiting.tracer.restore(first.tracer.state())
    waiting.tracer.label(IDS, [1, 1, 0, 0])
    waiting.tracer.step(tasks={"cvr": Head(ids=IDS[:2], labels=[1, 0])})
    assert waiting.sketches()[PAIRS].sum_p.sum() == pytest.approx(0.7)


def test_a_snapshot_of_a_job_without_heads_is_read_by_one_with_them_and_the_other_way_round():
    plain, headed = Sent(), joined()
    plain.tracer.observe({}, ids=IDS, predictions=[0.6, 0.5, 0.4, 0.3])
    for old, new in ((plain, Sent(tasks=[CVR])), (headed, Sent())):
        new.tracer.restore(old.tracer.state())
        new.tracer.step(ids=IDS, labels=[1, 1, 0, 0])
        assert new.sketches()["train", "labels", "", "label_buckets"].rows == 4


def test_a_label_of_a_task_that_is_not_declared_is_refused_by_its_name():
    sent = joined()
    sent.tracer.label(IDS, [1, 0, 0, 0], task="like")
    sent.tracer.step(ids=IDS, tasks={"like": Head(), "cvr": [0.1]})
    found = sent.refused()
    assert found["task:like"] == "no such task; declared in Tracer(tasks=...) are: cvr"
    assert found["task:cvr"] == "list is no Head; give Head(predictions=...)"


def test_a_column_of_another_length_is_refused_and_the_rest_of_the_head_counts():
    sent = joined()
    sent.tracer.step(ids=IDS, tasks={"cvr": Head(labels=[1, 0, 0, 0], weights=[1.0])})
    assert sent.refused()["argument:cvr.weights"] == "1 value for 4 rows"
    assert sent.sketches()[PAIRS].rows == 2


@pytest.mark.parametrize(("tasks", "labels", "text"), [
    ([Task(name="a/b")], Labels(), "tasks[0].name"), ([CVR, CVR], Labels(), "tasks[1].name"),
    ([CVR], Labels(across=4), "tasks[0].of"), ([Task(name="a", labels=Labels(across=2))], Labels(), "labels.across"),
    ([Task(name="a", expected=-1.0)], Labels(), "expected"),
    ([Task(name=str(i)) for i in range(17)], Labels(), "at most 16"),
    ([Task(name="a", labels=Labels(scale="odd"))], Labels(), "labels.scale"),
])  # fmt: skip
def test_heads_that_cannot_be_are_refused_before_the_training_starts(tasks, labels, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        Sent(tasks=tasks, labels=labels)
