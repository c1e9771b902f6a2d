import numpy as np
import pytest

from streamgauge.pipelines.config.schema import DAY
from streamgauge.tracer.evaluation import Evaluation, Slice
from streamgauge.tracer.summaries import Groups, LabelBuckets
from tests.pipelines.reports import LONG, config, evaluate, partial
from tests.pipelines.statistics.test_grouped import clicks, exact_gauc, of
from tests.tracer.streams import Sent


def long(*parts, **changes):
    return evaluate(*parts, window=LONG, end=DAY, config=config(**changes))


def grouped(worker, rows):
    return partial(worker, summaries=[(of(*rows), "train", "groups", "group:user")])


def test_gauc_of_the_job_is_that_of_all_rows_of_all_workers():
    users, p, y = clicks(1)
    parts = [grouped("a", (users[::2], p[::2], y[::2])), grouped("b", (users[1::2], p[1::2], y[1::2]))]
    value, share = exact_gauc(users, p, y, "clicks")
    found = long(*parts, evaluation=Evaluation(groups=("user",), weight="clicks"), minimum={"gauc": 50})
    assert found["", "group:user", "gauc"] == pytest.approx(value, abs=5e-3)
    assert found["", "group:user", "gauc_share"] == pytest.approx(share)
    assert {key[0] for key in found if key[2] == "gauc"} == {""}


def test_few_groups_are_unknown_and_invalid_predictions_too():
    users, p, y = clicks(1, users=50)
    assert np.isnan(long(grouped("a", (users, p, y)))["", "group:user", "gauc"])
    users, p, y = clicks(1)
    bad = np.where(np.arange(len(p)) < 0.02 * len(p), 7.0, p)
    found = long(grouped("a", (users, bad, y)), minimum={"gauc": 10})
    assert np.isnan([found["", "group:user", name] for name in ("gauc", "ndcg_at_k", "mrr")]).all()


def test_a_slice_has_its_own_auc_calibration_and_label_rate():
    _, p, y = clicks(1)
    new = np.arange(len(p)) % 4 == 0
    sliced = [(LabelBuckets.of(p[new] * 0.5, y[new]), "train", "labels", "slice:new"),
              (LabelBuckets.of(p, y), "train", "labels", "")]  # fmt: skip
    found = long(partial("a", summaries=sliced))
    assert found["", "slice:new", "slice_pcoc"] == pytest.approx(p[new].sum() * 0.5 / y[new].sum())
    assert found["", "slice:new", "slice_label_rate"] == pytest.approx(y[new].mean())
    assert 0.5 < found["", "slice:new", "slice_auc"] < 1.0
    assert {key[1] for key in found if key[2].startswith("slice_")} == {"slice:new"}


EVALUATION = Evaluation(groups=("user",), slices=(
    Slice(name="new", feature="age", below=7.0), Slice(name="US", feature="country", equals="US"),
    Slice(name="first", feature="position", equals=1), Slice(name="sports", feature="tags", equals="sport"),
))  # fmt: skip


def sent(join: bool) -> Sent:
    """400 rows through a tracer, with a join or without."""
    users, p, y = clicks(1, rows=400, users=40)
    at = np.arange(400)
    features = {
        "user": users, "age": np.where(at % 10 == 0, np.nan, at % 20), "country": np.where(at % 2 == 0, "US", "DE"),
        "position": at % 5, "tags": [["sport", "news"] if i % 8 == 0 else ["news"] for i in range(400)],
    }
    it = Sent(evaluation=EVALUATION, features={"position": "categorical", "user": "id"})
    if join:
        it.tracer.observe(features, ids=at, predictions=p)
        it.now = 1.0
        it.tracer.step(ids=at, labels=y)
    else:
        it.tracer.step(features=features, predictions=p, labels=y)
    it.now = 20.0
    it.tracer.beat()
    return it


@pytest.mark.parametrize("join", [True, False])
def test_a_tracer_sends_groups_and_slices_of_the_rows_whose_labels_it_knows(join):
    users, _, y = clicks(1, rows=400, users=40)
    found = sent(join).sketches()
    groups = found["train", "groups", "group:user", "groups"]
    assert isinstance(groups, Groups) and groups.rows == 400 and len(np.unique(groups.group)) == len(np.unique(users))
    at = np.arange(400)
    inside = {"new": (at % 20 < 7) & (at % 10 != 0), "US": at % 2 == 0, "first": at % 5 == 1, "sports": at % 8 == 0}
    for name, rows in inside.items():
        labels = found["train", "labels", f"slice:{name}", "label_buckets"]
        assert (labels.rows, labels.positive_rows) == (rows.sum(), y[rows].sum()), name


def test_groups_and_slices_are_the_same_with_a_join_and_without_one():
    def told(it):
        return {key: s.columns() for key, s in it.sketches().items() if key[2].startswith(("group:", "slice:"))}

    assert told(sent(True)) == told(sent(False))


def test_a_busy_pane_makes_the_next_one_keep_fewer_groups():
    it = Sent(evaluation=Evaluation(groups=("user",)), pane=10.0)
    for now in (0.0, 10.0):
        it.now = now
        users, p, y = clicks(2, rows=9000, users=3000)
        it.tracer.step(features={"user": users}, predictions=p, labels=y)
    it.now = 30.0
    it.tracer.beat()
    moduli = [
        Groups.from_columns(sketch.columns).modulus
        for batch in it.batches() for sketch in batch.sketches if sketch.kind == "groups"
    ]
    assert moduli[0] == 1 and moduli[-1] == 16


def test_an_evaluation_that_cannot_be_is_refused_before_the_training_starts():
    nothing = Slice(name="x", feature="age")
    for wrong, text in (
        (Evaluation(modulus=3), "modulus: must be a power of two"),
        (Evaluation(slices=(nothing,)), "says nothing of its rows"),
    ):
        with pytest.raises(ValueError, match=text):
            Sent(evaluation=wrong)
