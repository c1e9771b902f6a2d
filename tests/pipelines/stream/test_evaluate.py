"""Laws of evaluation: what may not change an answer, what is unknown, what a series without news gets."""

import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.pipelines.config.schema import DAY, HOUR, WindowSpec
from streamgauge.pipelines.metrics import Partial, Report
from streamgauge.pipelines.registry import metrics_of
from streamgauge.pipelines.stream import evaluate as evaluation
from streamgauge.pipelines.stream.evaluate import Evaluator, failures
from streamgauge.pipelines.stream.layout import TRACED
from streamgauge.pipelines.stream.view import fsum_columns
from streamgauge.tracer.summaries import (
    Bins,
    Buckets,
    Histogram,
    Ids,
    LabelBuckets,
    hash_values,
    merge_sketches,
    profile_categorical,
    profile_ids,
    profile_numeric,
)
from tests.pipelines.reports import LONG, SHORT, WALL, config, learn, partial, presence, report, totals, values_of

SLOT = 3 * HOUR
KNOWN = """missing_rate zero_rate invalid_rate label_rate mean std distinct top_share dispersion auc pcoc psi iv
    label_delay_p50 duplicate_rate new_id_rate prediction_mean gradient_norm"""
EASY = config(minimum=dict.fromkeys(KNOWN.split(), 1))


def rows_of(seed, n=80):
    """Rows of one worker as columns; predictions share buckets and their sums are not exact, so an order would show."""
    rng = np.random.default_rng(seed)
    age = rng.integers(0, 60, n) * 0.1
    age[rng.random(n) < 0.2] = np.nan
    p = rng.integers(1, 9, n) / 10 + rng.random(n) * 1e-4
    y = (rng.random(n) < p).astype(float)
    return {"age": age, "tail": rng.integers(0, 20, n), "p": p, "y": y, "id": rng.integers(0, 200, n)}


def summaries(rows):
    tail = profile_categorical(rows["tail"])
    return [
        *((s, "sample", "profile", "feature:age") for s in profile_numeric(rows["age"])),
        *((s, "sample", "profile", "feature:tail") for s in tail),
        (profile_ids(rows["tail"]), "sample", "profile", "feature:tail"),
        (Buckets.of(rows["p"]), "sample", "prediction", ""),
        (LabelBuckets.of(rows["p"], rows["y"]), "train", "labels", ""),
        (Ids.of(hash_values(rows["id"])), "train", "sample_id", ""),
        (Bins.of_numeric(rows["age"], rows["y"]), "train", "bins", "feature:age"),
        (Histogram.of(rows["age"] * 60), "label", "label_delay", ""),
    ]


def points(rows):
    n = len(rows["y"])
    losses = {("train", "loss", ""): [(p, 0.7) for p in rows["p"].tolist()]}
    return totals("sample", rows=n) | totals("label", labels=n, positives=rows["y"].sum()) | losses


def day_of(worker, seed):
    rows = rows_of(seed)
    return partial(worker, points(rows), summaries(rows))


def split(worker, rows, where):
    """The same rows seen in two panes, merged as panes are."""
    parts = [{name: column[mask] for name, column in rows.items()} for mask in (where, ~where)]
    panes = [partial(worker, points(part), summaries(part)) for part in parts]
    whole = partial(worker, points(rows))
    return Partial(
        worker=worker, names=whole.names, columns=whole.columns,
        sketches=merge_sketches([sketch for pane in panes for sketch in pane.sketches]),
    )


def same(first, second, rel=0.0):
    assert first.keys == second.keys
    for name in ("value", "rows", "error", "floor"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), rtol=rel, atol=0.0, err_msg=name)


@settings(max_examples=25, deadline=None)
@given(st.permutations(["a", "b", "c", "d"]), st.sampled_from([SHORT, LONG]))
def test_the_order_of_the_workers_changes_nothing(order, window):
    parts = {worker: day_of(worker, seed) for seed, worker in enumerate("abcd")}
    usual = Evaluator(EASY).evaluate(report(*parts.values(), window=window))
    same(usual, Evaluator(EASY).evaluate(report(*[parts[worker] for worker in order], window=window)))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.booleans(), min_size=80, max_size=80), st.sampled_from([SHORT, LONG]))
def test_splitting_a_workers_rows_into_two_panes_changes_nothing(mask, window):
    rows, other = rows_of(1), day_of("b", 2)
    whole = Evaluator(EASY).evaluate(report(partial("a", points(rows), summaries(rows)), other, window=window))
    # float sums of sums may differ in the last bit, counts may not
    same(whole, Evaluator(EASY).evaluate(report(split("a", rows, np.array(mask)), other, window=window)), rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(3)))
def test_the_order_of_a_partials_names_changes_nothing(order):
    names = [("train", "gradient_norm", f"tensor:{i}") for i in range(3)]
    steps = {name: [(float(i + 1), 1.0)] * 5 for i, name in enumerate(names)}
    shuffled = {names[i]: steps[names[i]] for i in order}
    usual = Evaluator(EASY).evaluate(report(partial("a", steps)))
    same(usual, Evaluator(EASY).evaluate(report(partial("a", shuffled))))


@given(st.lists(st.lists(st.floats(-1e12, 1e12), min_size=2, max_size=2), min_size=1, max_size=6), st.randoms())
def test_sums_over_workers_do_not_depend_on_their_order(rows, random):
    parts = [np.array(row) for row in rows]
    shuffled = list(parts)
    random.shuffle(shuffled)
    assert fsum_columns(parts).tolist() == fsum_columns(shuffled).tolist()


def test_a_report_that_travelled_gives_the_same_answer():
    sent = report(day_of("a", 1), day_of("b", 2), window=LONG, presences=[presence("a"), presence("b")])
    received = msgspec.msgpack.decode(msgspec.msgpack.encode(sent), type=Report)
    same(Evaluator(EASY).evaluate(sent), Evaluator(EASY).evaluate(received))


def test_evaluating_changes_nothing():
    evaluator = Evaluator(EASY)
    learn(evaluator, evaluator.evaluate(report(day_of("a", 1))))
    before = evaluator.snapshot()
    evaluator.evaluate(report(day_of("a", 2), start=SLOT))
    assert evaluator.snapshot() == before


def test_a_revision_teaches_nothing():
    evaluator = Evaluator(EASY)
    learn(evaluator, evaluator.evaluate(report(day_of("a", 1))))
    before = evaluator.snapshot()
    learn(evaluator, evaluator.evaluate(report(day_of("a", 2), revision=1)))
    assert evaluator.snapshot() == before


def life(length):
    """Reports of some days: two workers, one of them away for a while, long windows and wall windows between."""
    for slot in range(length):
        members = [presence("a", seen=slot * SLOT), presence("b", seen=slot * SLOT)]
        parts = [day_of("a", slot)] + ([] if slot % 11 in (3, 4) else [day_of("b", 1000 + slot)])
        yield report(*parts, start=slot * SLOT, presences=members)
        if slot % 8 == 7:
            yield report(*parts, window=LONG, start=(slot - 7) * SLOT, end=(slot + 1) * SLOT, presences=members)
        yield report(window=WALL, start=slot * SLOT, presences=members)


def live(evaluator, reports):
    found = []
    for one in reports:
        evaluated = evaluator.evaluate(one)
        found.append(evaluated)
        learn(evaluator, evaluated, *(["missing_rate"] if one.number % 5 == 0 else []))
    return found


@pytest.mark.parametrize("cut", [1, 60, 137])
def test_a_restored_evaluator_continues_byte_for_byte(cut):
    reports = list(life(84))
    straight = Evaluator(EASY)
    expected = live(straight, reports)
    first = Evaluator(EASY)
    live(first, reports[:cut])
    second = Evaluator(EASY)
    second.restore(first.snapshot())
    assert second.snapshot() == first.snapshot()
    for one, other in zip(expected[cut:], live(second, reports[cut:]), strict=True):
        same(one, other)
        assert one.profiles == other.profiles
    assert second.snapshot() == straight.snapshot()


def test_state_of_an_unknown_version_is_refused():
    with pytest.raises(ValueError, match="version 99"):
        Evaluator(EASY).restore(msgspec.msgpack.encode([99, [], []]))


def test_known_series_that_got_nothing_are_zero_if_additive_and_else_unknown():
    evaluator = Evaluator(EASY)
    learn(evaluator, evaluator.evaluate(report(day_of("a", 1), day_of("b", 2))))
    evaluated = evaluator.evaluate(report(day_of("a", 3), start=SLOT))
    found, present = values_of(evaluated), values_of(evaluated, "is_present")
    assert found["b", "", "volume"] == 0.0
    assert np.isnan(found["b", "feature:age", "missing_rate"])
    assert not present["b", "feature:age", "missing_rate"]
    assert present["a", "feature:age", "missing_rate"]
    assert list(evaluated.keys) == sorted(evaluated.keys)


def test_a_series_unseen_for_a_day_leaves():
    evaluator = Evaluator(EASY)
    learn(evaluator, evaluator.evaluate(report(day_of("a", 1), day_of("b", 2))))
    counts = []
    for slot in range(1, 11):
        evaluated = evaluator.evaluate(report(day_of("a", 3), start=slot * SLOT))
        learn(evaluator, evaluated)
        counts.append(("b", "", "volume") in values_of(evaluated))
    assert counts == [True] * 7 + [False] * 3


def test_the_series_of_a_worker_that_said_goodbye_leave_at_once():
    evaluator = Evaluator(EASY)
    learn(evaluator, evaluator.evaluate(report(day_of("a", 1), day_of("b", 2))))
    gone = report(day_of("a", 3), start=SLOT, presences=[presence("a"), presence("b", state="left")])
    assert not [key for key in evaluator.evaluate(gone).keys if key.worker == "b"]


def test_a_scope_of_the_job_gives_no_worker_values_and_the_other_way_round():
    windows = (
        WindowSpec(name="day", kind="long", length=DAY, slide=SLOT, scope="job"),
        WindowSpec(name="week", kind="long", length=7 * DAY, slide=SLOT, scope="worker"),
    )
    evaluator = Evaluator(config(windows=windows, minimum=EASY.minimum))
    parts = (day_of("a", 1), day_of("b", 2))
    day = evaluator.evaluate(report(*parts, window=0, end=DAY))
    week = evaluator.evaluate(report(*parts, window=1, end=7 * DAY))
    assert {key.worker for key in day.keys} == {""}
    assert {key.worker for key in week.keys} == {"a", "b"}
    assert np.isfinite(values_of(day)["", "", "auc"])


def test_references_are_learnt_also_where_only_the_job_has_values():
    windows = (
        WindowSpec(name="short", kind="short", length=SLOT, slide=SLOT, scope="job"),
        WindowSpec(name="day", kind="long", length=DAY, slide=SLOT, scope="job"),
    )
    evaluator = Evaluator(config(windows=windows, minimum=EASY.minimum))
    for slot in range(33):
        learn(evaluator, evaluator.evaluate(report(day_of("a", slot), start=slot * SLOT)))
    found = values_of(evaluator.evaluate(report(day_of("a", 99), window=1, start=4 * DAY, end=5 * DAY)))
    assert np.isfinite(found["", "feature:tail", "psi"])


def test_an_empty_job_has_no_series_and_no_profiles():
    evaluated = Evaluator(EASY).evaluate(report())
    assert (evaluated.keys, evaluated.profiles) == ((), ())


def test_values_that_overflow_are_unknown_and_nothing_is_raised():
    huge = partial("a", {("train", "loss", ""): [(1e308, 1e3), (1e308, 1e3)], ("sample", "rows", ""): [(1e300, 1.0)]})
    evaluated = Evaluator(EASY).evaluate(report(huge, day_of("b", 1)))
    assert not np.isinf(evaluated.value).any()


def test_kept_profiles_hold_what_the_page_draws_and_no_ids():
    short = Evaluator(EASY).evaluate(report(day_of("a", 1), day_of("b", 2)))
    long = Evaluator(EASY).evaluate(report(day_of("a", 1), day_of("b", 2), window=LONG))
    assert [profile.worker for profile in short.profiles] == ["", "a", "b"]
    assert [profile.worker for profile in long.profiles] == [""]
    kinds = {sketch.kind for profile in (*short.profiles, *long.profiles) for sketch in profile.sketches}
    assert kinds == {"counts", "moments", "histogram", "heavy", "buckets", "label_buckets", "bins"}
    (curve,) = [sketch for sketch in long.profiles[0].sketches if sketch.kind == "label_buckets"]
    assert LabelBuckets.from_columns(curve.columns).rows == 160


def test_ten_thousand_series_keep_their_place_among_each_other():
    steps = {("train", "gradient_norm", f"tensor:{i:02}"): [(float(i), 1.0)] * 5 for i in range(100)}
    evaluated = Evaluator(EASY).evaluate(report(*[partial(f"w{i:02}", steps) for i in range(100)]))
    found = values_of(evaluated)
    assert all(found[f"w{w:02}", f"tensor:{t:02}", "gradient_norm"] == t for w in range(100) for t in range(100))
    assert found["", "tensor:07", "gradient_norm"] == 7.0


def test_every_traced_quantity_that_a_metric_reads_is_none_of_the_job_s_own_scalars():
    rows = [
        line.split("|")[1:-1] for line in Path("docs/traces.md").read_text().partition("## Sketches")[0].splitlines()
    ]
    told = [(cells[0], cells[1], cells[4].strip()) for cells in rows if len(cells) == 5 and "`" in cells[1]]
    read = [(clocks, names) for clocks, names, metrics in told if metrics not in ("shown", "shown as it is")]
    assert len(read) > 20
    for clocks, names in read:
        for clock in (part.strip() for part in clocks.split(",")):
            for name in re.findall(r"`(\w+)`", names):
                assert name in TRACED[clock].split() or name.startswith("_"), (clock, name)


def test_stored_series_are_bounded_the_known_and_the_jobs_own_first_and_told_once():
    """20,000 names of one worker were 40,006 series in the store: each again as one of the job."""
    wide = config(max_series=30)

    def window(number, first, count):
        points = {("train", f"scalar-{i:03}", ""): [(1.0, 1.0)] for i in range(first, first + count)}
        start = number * SLOT
        return report(partial("a", points), window=SHORT, start=start, presences=[presence("a")])

    evaluator = Evaluator(wide)
    small = evaluator.evaluate(window(0, 90, 3))
    learn(evaluator, small)
    assert not small.unkept
    full = evaluator.evaluate(window(1, 0, 60))
    learn(evaluator, full)
    assert len(full.keys) == 30 == len(full.value)
    assert full.unkept > 60
    assert set(small.keys) <= set(full.keys)
    new = [key.worker for key in full.keys if key not in set(small.keys)]
    assert set(new) == {""}
    again = evaluator.evaluate(window(2, 0, 60))
    assert (again.keys, again.unkept) == (full.keys, 0)


def test_a_metric_that_fails_is_unknown_and_named_and_costs_the_others_nothing(monkeypatch):
    def broken(view):
        raise ZeroDivisionError("49 times 1/49")

    def with_broken(kind):
        broke = {"dispersion", "volume"}  # one of long windows, one of short ones
        return tuple(one._replace(compute=broken) if one.name in broke else one for one in metrics_of(kind))

    evaluator, twin = Evaluator(EASY), Evaluator(EASY)
    days = [report(day_of("a", seed), window=SHORT, start=seed * SLOT, presences=[presence("a")]) for seed in (0, 1)]
    for one in (evaluator, twin):
        learn(one, one.evaluate(days[0]))
    monkeypatch.setattr(evaluation, "metrics_of", with_broken)
    found = evaluator.evaluate(days[1])
    monkeypatch.undo()
    sound = twin.evaluate(days[1])
    assert found.keys == sound.keys
    lost = np.array([key.metric in ("dispersion", "volume") for key in found.keys])
    assert lost.sum() == 2
    assert np.isnan(found.value[lost]).all()
    np.testing.assert_array_equal(found.value[~lost], sound.value[~lost])
    (said,) = failures(found, EASY)
    assert "unknown in this window: volume (ZeroDivisionError: 49 times 1/49)" in said.text
    assert failures(sound, EASY) == []
