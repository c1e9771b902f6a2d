"""Groups kept whole, thinned where there is no room, whatever the order of the parts."""

import numpy as np
import pytest

from streamgauge.tracer.summaries import Groups, groups, hash_values


def rows_of(seed, rows, users):
    rng = np.random.default_rng(seed)
    return hash_values(rng.integers(0, users, rows)), rng.random(rows), (rng.random(rows) < 0.2).astype(float)


def test_a_group_is_kept_whole_or_not_at_all():
    keys, p, y = rows_of(1, 5000, 300)
    found = Groups.of(keys, p, y, modulus=4)
    inside = keys[(keys & np.uint64(3)) == 0]
    assert found.rows == len(inside)
    assert set(found.group.tolist()) == set(inside.tolist())


def test_above_the_bound_groups_are_thinned_and_the_order_of_merging_does_not_show(monkeypatch):
    monkeypatch.setattr(groups, "MOST", 300)
    keys, p, y = rows_of(2, 4000, 800)
    whole = Groups.of(keys, p, y)
    assert whole.modulus > 1 and len(whole.group) <= 300
    parts = [Groups.of(keys[at::7], p[at::7], y[at::7]) for at in range(7)]
    nested = Groups.merge([Groups.merge(parts[:3]), Groups.merge(parts[3:][::-1])])
    assert Groups.merge(parts).columns() == Groups.merge(parts[::-1]).columns() == nested.columns()
    assert nested.columns() == whole.columns()


def test_parts_of_different_moduli_merge_at_the_largest():
    keys, p, y = rows_of(3, 2000, 300)
    mixed = Groups.merge([Groups.of(keys[:900], p[:900], y[:900]), Groups.of(keys[900:], p[900:], y[900:], modulus=8)])
    exact = Groups.of(keys, p, y, modulus=8)
    assert mixed.modulus == 8
    assert mixed.columns()[1:] == exact.columns()[1:]


def test_a_user_with_half_the_rows_takes_as_many_entries_as_he_has_predictions_apart():
    keys = np.full(100_000, 64, np.uint64)
    found = Groups.of(keys, np.tile([0.1, 0.7], 50_000), np.zeros(100_000))
    assert len(found.group) == 2 and found.rows == 100_000


def test_rows_without_group_or_with_an_unusable_prediction_are_left_out_and_the_latter_counted():
    found = Groups.of(np.array([0, 8, 8, 8], np.uint64), [0.5, 2.0, np.nan, 0.5], [1, 1, 1, 1])
    assert (found.rows, found.seen, found.invalid) == (1, 3, 2)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_pieces_merge_to_the_whole(size):
    whole = Groups.of(*rows_of(4, 500, 40))
    assert Groups.merge(whole.pieces(size)).columns() == whole.columns()
