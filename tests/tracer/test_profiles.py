"""How columns become profiles."""

from __future__ import annotations

import numpy as np
import pytest

from streamgauge.tracer.gathering import Gathering
from streamgauge.tracer.id_sampling import IdSampling
from streamgauge.tracer.profiles import Feature, Profiles
from streamgauge.tracer.records import Sketch
from streamgauge.tracer.summaries import Counts, Ids, Moments, Table, code_of, codes_of, decode, hash_values


@pytest.mark.parametrize("first", [np.zeros(500), np.full(500, 1e12), np.zeros(0)])
def test_the_spread_of_values_is_kept_whatever_the_pane_before_them_held(first: np.ndarray) -> None:
    build = Profiles([], b"").build(Feature(name="time", kind="numeric"))
    list(build(first))
    values = 1.7e9 + np.random.default_rng(0).normal(0.0, 1.0, 2_000)
    parts = [part for half in (values[:1_000], values[1_000:]) for part in build(half) if isinstance(part, Moments)]
    assert Moments.merge(parts).std() == pytest.approx(values.std(ddof=1), rel=1e-6)


def gathered(profiles: Profiles, name: str, *columns: np.ndarray) -> list[Sketch]:
    """What columns that come one after the other become."""
    gathering = Gathering(profiles.build(name))
    for column in columns:
        gathering.add(profiles.gathered(name, column)[0])
    return gathering.sketches(("sample", "profile", f"feature:{name}"))


def counts_of(sketches: list[Sketch]) -> Counts:
    (found,) = [summary for sketch in sketches if isinstance(summary := decode(sketch), Counts)]
    return found


def test_rows_from_before_the_first_value_of_a_feature_are_missing_in_its_profile() -> None:
    nothing, words = np.array([None, ""], object), np.array(["a", None, "b"], object)
    found = counts_of(gathered(Profiles([], b""), "city", nothing, words, nothing))
    assert found == Counts(rows=7, missing=5, values=2)


def test_the_same_words_in_pieces_and_in_any_array_give_the_same_profile() -> None:
    words = np.array(["a", "b", "a", "c"] * 50, object)
    whole = gathered(Profiles([Feature(name="city", kind="id")], b"salt"), "city", words)
    pieces = gathered(Profiles([Feature(name="city", kind="id")], b"salt"), "city", words[:7], words[7:].astype(str))
    assert whole == pieces


def test_an_ids_sample_is_that_of_its_profile() -> None:
    sketches = gathered(Profiles([Feature(name="user", kind="id")], b"", IdSampling(4)), "user", np.arange(1_000))
    (ids,) = [summary for sketch in sketches if isinstance(summary := decode(sketch), Ids)]
    expected = Ids.of(hash_values(np.arange(1_000)), 4)
    assert ids.hashes.tolist() == expected.hashes.tolist()
    assert ids.modulus == 4


def test_a_table_of_codes_stays_small_and_forgets_no_answer() -> None:
    table, words = Table(b"s", half=10), np.array([f"word {i % 37}" for i in range(500)], object)
    assert codes_of(words, b"s", table).tolist() == hash_values(words, b"s").tolist()
    assert len(table) <= 10
    long = "x" * 10_000
    assert table[long] == code_of(long, b"s")
    assert long not in table


def test_every_nan_is_missing_and_none_of_them_is_kept() -> None:
    table = Table(b"")
    values = np.array(["a", *(float("nan") for _ in range(100)), None], object)
    assert np.count_nonzero(codes_of(values, b"", table)) == 1
    assert len(table) == 2
