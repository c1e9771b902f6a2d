"""What a selection takes, what it costs, and which patterns are refused."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.tracer.costs import cost_of, unsupported
from streamgauge.tracer.selection import BOOT, Entry, Select, Selection, fault_of, matches, resolved

NAMES = ["dense/kernel", "dense/bias", "embedding/table"]


@pytest.mark.parametrize(
    ("select", "taken"),
    [
        (Select(collection="weights"), NAMES),
        (Select(collection="weights", include="^dense/"), NAMES[:2]),
        (Select(collection="weights", include="^dense/", exclude="bias$"), NAMES[:1]),
        (Select(collection="weights", names=("dense/bias",)), NAMES[1:2]),
        (Select(collection="weights", names=("dense/bias",), include="table"), NAMES[1:]),
        (Select(collection="weights", exclude="."), []),
    ],
)
def test_a_select_takes_by_pattern_and_by_list_less_the_excluded(select: Select, taken: list[str]) -> None:
    assert [name for name in NAMES if matches(select, name)] == taken


def test_a_plan_replaces_only_the_collections_that_it_names() -> None:
    selection = Selection(BOOT, [Select(collection="weights", names=("dense/bias",), every=3)])
    assert selection.takes("weights", "dense/bias", 3)
    assert not selection.takes("weights", "dense/kernel", 30)
    assert selection.takes("gradients", "dense/kernel", 10)


def test_a_request_for_raw_arrays_keeps_the_statistics() -> None:
    selection = Selection(BOOT, [Select(collection="weights", emit="raw", every=100)])
    assert selection.takes("weights", "dense/bias", 10)
    assert selection.takes("weights", "dense/bias", 100, "raw")
    assert not selection.takes("weights", "dense/bias", 10, "raw")


def test_the_union_of_two_plans_holds() -> None:
    selection = Selection(
        (), [Select(collection="weights", every=4), Select(collection="weights", include="bias", every=6)]
    )
    assert [step for step in range(1, 13) if selection.takes("weights", "dense/bias", step)] == [4, 6, 8, 12]
    assert [step for step in range(1, 13) if selection.is_due(step)] == [4, 6, 8, 12]


def test_off_takes_nothing() -> None:
    selection = Selection(BOOT, [Select(collection="weights", every=1)], off=True)
    assert not any(selection.is_due(step) for step in range(1, 100))
    assert not selection.takes("features", "age", 1)


@given(st.lists(st.sampled_from(NAMES), unique=True), st.integers(1, 50), st.floats(0.1, 100.0))
def test_the_estimated_cost_is_bytes_times_steps_over_every(names: list[str], every: int, steps_s: float) -> None:
    catalogue = [Entry(name=name, collection="weights", bytes=1000) for name in names]
    cost = cost_of([Select(collection="weights", emit="raw", every=every)], catalogue, steps_s)
    assert cost.matched == len(names)
    assert cost.bytes_s == pytest.approx(1000 * len(names) * steps_s / every)


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("(a+)+$", "repeats a group"),
        ("((a|ab)c)*", "repeats a group"),
        ("((a)?)*b", "repeats a group"),
        ("(?x)(a+ #\n)+", "repeats a group"),
        ("(.?){30}=", "at most 3"),
        (".?" * 30 + "=", "at most 3"),
        ("(a|a)" * 30 + "b", "at most 3"),
        ("a{99999999999999999999}", "no regular expression"),
        ("(a*){2,}", "repeats a group"),
        (".*.*.*.*x", "at most 3"),
        ("(", "no regular expression"),
        ("a" * 513, "at most 512"),
    ],
)
def test_a_pattern_that_could_hang_the_worker_is_refused(pattern: str, fault: str) -> None:
    assert fault in fault_of(Select(collection="weights", include=pattern))
    assert fault in fault_of(Select(collection="weights", exclude=pattern))


@pytest.mark.parametrize("pattern", [
    "^layer[1-3]/(kernel|bias)$", r"dense_\d+/kernel", "[(+*)]+x", r"\(a\+\)b", r"(/part_\d+)?$", "((a|b)c)*",
    r"^(user|item|ad)/(emb|table)_\d+/.*(weights|kernel|bias)",
])  # fmt: skip
def test_an_ordinary_pattern_is_accepted(pattern: str) -> None:
    assert fault_of(Select(collection="weights", include=pattern)) == ""


PIECES = ["a", "b", "(", ")", "|", "*", "+", "?", ".?", "{30}", "{1,}", "(a|a)", "(a?)", "a*", "(?:", "a{0,9}"]


@given(st.text(alphabet="ab(|)*+{1,}.?", max_size=14) | st.lists(st.sampled_from(PIECES), max_size=24).map("".join))
def test_what_is_accepted_matches_a_long_name_in_no_time(pattern: str) -> None:
    if fault_of(Select(collection="weights", include=pattern)):
        return
    begin = time.process_time()
    re.search(pattern, "a" * 60 + "!")
    assert time.process_time() - begin < 1.0


def test_every_must_be_positive() -> None:
    assert fault_of(Select(collection="weights", every=0)) == "every must be >= 1, got 0"


def test_a_collection_of_the_graph_selects_what_it_holds() -> None:
    catalogue = [
        Entry(name="layer1/weights/part_0:0", collection="weights", groups=("trainable_variables",)),
        Entry(name="layer1/weights/part_1:0", collection="weights", groups=("trainable_variables", "mine")),
        Entry(name="moving_mean:0", collection="weights", groups=("global_variables",)),
    ]
    (select,) = resolved([Select(collection="weights", group="mine")], catalogue)
    assert select.names == ("layer1/weights/part_1:0",)
    assert [entry.name for entry in catalogue if matches(select, entry.name)] == ["layer1/weights/part_1:0"]
    (nothing,) = resolved([Select(collection="weights", group="none")], catalogue)
    assert not any(matches(nothing, entry.name) for entry in catalogue)


@pytest.mark.parametrize("asked", ["layer1/weights", "layer1/weights/part_1", "layer1/weights/part_1:0"])
def test_a_part_of_a_variable_is_found_by_each_of_its_spellings(asked: str) -> None:
    name = "layer1/weights/part_1:0"
    assert matches(Select(collection="weights", names=(asked,)), name)
    assert matches(Select(collection="weights", include=f"^{asked}$"), name)
    assert not matches(Select(collection="weights", names=("layer1",)), name)


def test_what_is_unsupported_is_refused_by_its_reason() -> None:
    catalogue = [Entry(name="_flat_param", collection="weights", unsupported="FSDP1 keeps flat parameters")]
    select = [Select(collection="weights", include="flat")]
    assert cost_of(select, catalogue, 1.0).matched == 0
    assert unsupported(select, catalogue) == "_flat_param is unsupported: FSDP1 keeps flat parameters"
    assert unsupported([Select(collection="gradients")], catalogue) == ""
