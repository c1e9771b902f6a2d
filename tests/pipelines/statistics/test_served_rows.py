"""Rows served and trained on meet by id: once each, whatever window brings them, within the horizon and the bound."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pipelines.statistics import served_rows
from streamgauge.pipelines.statistics.served_rows import ServedRows
from streamgauge.tracer.served import CATEGORY
from streamgauge.tracer.summaries import JoinRows

row = st.tuples(st.integers(0, 30), st.integers(0, 9), st.sampled_from([0.0, 1.0, 1.0000001, float("nan"), np.inf]))
sides = st.tuples(st.lists(row, max_size=30), st.lists(row, max_size=30))


def rows(found, modulus=1):
    keys, time, value = zip(*found, strict=True) if found else ((), (), ())
    keys = np.array(keys, np.uint64)
    return JoinRows.labels(modulus, keys, np.array(time, float), np.array(value, float))


def played(served, trained, cuts, *, restart=False):
    kept, mets, low = ServedRows(100.0, 1e-6), [], 0
    for high in (*cuts, 10):
        parts = (rows([one for one in side if low <= one[1] < high]) for side in (served, trained))
        met, kept = kept.meet(*parts, float(high))
        if restart:
            kept = ServedRows.from_state(kept.state(), 100.0, 1e-6)
        mets.append(met)
        low = high
    return sum(met.joined for met in mets), sum(met.differing for met in mets), kept


@given(sides, st.sets(st.integers(1, 9)))
def test_windows_and_restarts_change_nothing_of_what_met(both, cuts):
    whole = played(*both, ())
    parts = played(*both, sorted(cuts), restart=True)
    assert whole[:2] == parts[:2]
    assert whole[2].state()[1:] == parts[2].state()[1:]
    assert whole[0] == len({one[0] for one in both[0]} & {one[0] for one in both[1]})


def test_numbers_differ_beyond_the_tolerance_and_categories_at_once():
    near, far = 3.0 * (1 + 5e-7), 3.0 * (1 + 5e-6)
    left = [(i, 0, value) for i, value in enumerate((3.0, 3.0, np.nan, np.nan, 1.5 * CATEGORY, np.inf))]
    right = [(i, 1, value) for i, value in enumerate((near, far, np.nan, 0.0, 1.5000001 * CATEGORY, np.inf))]
    met, _ = ServedRows(100.0, 1e-6).meet(rows(left), rows(right), 2.0)
    assert (met.joined, met.differing) == (6, 3)
    assert met.examples[0] == (3.0, far)


def test_what_is_never_trained_on_leaves_at_the_horizon_and_is_counted():
    kept = ServedRows(100.0, 0.0)
    _, kept = kept.meet(rows([(1, 0, 1.0), (2, 0, 1.0), (3, 60, 1.0)]), rows([(1, 50, 1.0)]), 60.0)
    met, kept = kept.meet(rows([]), rows([]), 120.0)
    assert (met.gone, met.gone_joined) == (2, 1)
    met, kept = kept.meet(rows([]), rows([(2, 130, 1.0), (3, 130, 2.0)]), 140.0)
    assert (met.joined, met.differing) == (1, 1)  # 2 is too old


def test_beyond_the_bound_every_second_id_leaves(monkeypatch):
    monkeypatch.setattr(served_rows, "LIMIT", 100)
    found = [(i, 0, 1.0) for i in range(1, 301)]
    _, kept = ServedRows(100.0, 0.0).meet(rows(found), rows([]), 1.0)
    assert kept.modulus == 4
    met, _ = kept.meet(rows([]), rows(found), 2.0)
    assert (met.joined, met.differing) == (75, 0)
