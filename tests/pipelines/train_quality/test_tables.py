"""Embedding tables as a job tells of them: by table and worker, and of the job."""

import pytest

from streamgauge.tracer.records import Name
from tests.pipelines.reports import evaluate, partial
from tests.tracer.streams import Sent

USERS = "table:user_id"


def told(worker, **points):
    """What a worker told: values by name of the point."""
    found = {("train", name, USERS): [(float(v), 1.0) for v in values] for name, values in points.items()}
    return partial(worker, found)


def values(*partials):
    found = evaluate(*partials)
    return {(worker, metric): value for (worker, entity, metric), value in found.items() if entity == USERS}


def test_sizes_of_shards_add_up_and_a_table_that_shrinks_shows():
    a = told("a", table_rows=[1000, 600], table_size=[8000], table_full=[0.5, 0.9], table_age=[3.0])
    b = told("b", table_rows=[500], table_full=[0.7], table_age=[60.0])
    found = values(a, b)
    assert (found["a", "table_rows"], found["b", "table_rows"], found["", "table_rows"]) == (800.0, 500.0, 1300.0)
    assert (found["", "table_bytes"], found["", "table_full"], found["", "table_age"]) == (8000.0, 0.9, 60.0)


def test_lookups_and_what_came_and_went_add_over_workers():
    a = told("a", table_lookups=[900, 100], table_unseen=[90], table_admitted=[7200], table_evicted=[0])
    b = told("b", table_lookups=[1000], table_unseen=[10], table_admitted=[3600])
    found = values(a, b)
    assert found["", "unseen_rate"] == pytest.approx(0.05)
    length = found["", "table_admitted"] / found["a", "table_admitted"]
    assert length == pytest.approx(1.5)
    assert found["", "table_evicted"] == 0.0


def test_what_is_not_told_is_unknown():
    sent = Sent()
    sent.tracer.table("user_id", size=10.0, lookups=5)
    sent.tracer.table("user_id")
    names = {name.name for name in sent.totals() if name.entity == USERS}
    assert names == {"table_size", "table_lookups"}
    assert ("", "unseen_rate") not in values(told("a", table_lookups=[1000]))


def test_calls_add_counts_and_tell_how_stale_and_how_full_a_table_is():
    sent = Sent(now=50.0)
    sent.tracer.table("user_id", rows=5, size=30, limit=40, lookups=10, unseen=2, admitted=2, evicted=1, updated=20.0)
    sent.tracer.table("user_id", lookups=10, unseen=0)
    found = {name: value for (_, name, entity), value in sent.totals().items() if entity == USERS}
    assert (found["table_rows"], found["table_full"], found["table_age"]) == (5.0, 0.75, 30.0)
    assert (found["table_lookups"], found["table_unseen"]) == (20.0, 2.0)
    assert (found["table_admitted"], found["table_evicted"]) == (2.0, 1.0)


@pytest.mark.parametrize("given", [
    {"rows": -1}, {"size": float("inf")}, {"lookups": 1, "unseen": 2}, {"updated": "yesterday-ish"}, {"admitted": "x"},
])  # fmt: skip
def test_numbers_that_cannot_be_are_refused_by_the_name_of_the_table(given):
    sent = Sent()
    sent.tracer.table("user_id", **{"evicted": 3, **given})
    assert list(sent.refused()) == [USERS]
    assert Name("train", "table_evicted", USERS) not in sent.totals()
