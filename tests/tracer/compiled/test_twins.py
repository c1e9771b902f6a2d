"""The compiled core gives what NumPy gives, and where it cannot be used NumPy takes over and says so."""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.tracer import compiled
from streamgauge.tracer.compiled import Core
from streamgauge.tracer.key_index import KeyIndex
from streamgauge.tracer.summaries.hashing import Table, codes_of
from tests.places import ROOT

TEXTS = st.text(max_size=400) | st.text(st.characters(codec="ascii"), max_size=20)
VALUES = st.lists(st.none() | TEXTS | st.sampled_from(["a", "", "b\ud800"]) | st.integers() | st.binary(max_size=3))
SALTS = st.binary(max_size=80)


@pytest.fixture(scope="module", autouse=True)
def _is_built() -> None:
    if compiled.fast() is None:
        pytest.skip(f"the core was not built: {sys.executable} {ROOT / 'tracer/compiled/build.py'} says why")


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Core | None]]:
    """Looks for the core as a new process does."""
    compiled.fast.cache_clear()
    yield compiled.fast
    monkeypatch.undo()
    compiled.fast.cache_clear()


def by_numpy(work: Callable[[], Any]) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(compiled.SWITCH, "off")
        compiled.fast.cache_clear()
        try:
            return work()
        finally:
            patch.undo()
            compiled.fast.cache_clear()


def column(values: list[Any]) -> np.ndarray[Any, Any]:
    found = np.empty(len(values), object)
    found[:] = values
    return found


@given(VALUES, SALTS)
def test_codes_are_those_of_numpy(values: list[Any], salt: bytes) -> None:
    def codes() -> list[int]:
        found: list[int] = codes_of(column(values), salt).tolist()
        return found

    assert codes() == by_numpy(codes)


@given(st.text(min_size=1, max_size=600), SALTS)
def test_the_hash_is_blake2b(text: str, salt: bytes) -> None:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=salt[:64]).digest()
    assert codes_of(column([text]), salt).tolist() == [int.from_bytes(digest, "little")]


@given(st.lists(st.lists(st.integers(0, 30).map(str), max_size=20), max_size=6), st.integers(0, 5))
def test_a_table_that_is_full_begins_anew_and_the_codes_stay(calls: list[list[str]], half: int) -> None:
    table = Table(b"salt", half)
    for values in calls:
        assert codes_of(column(values), b"salt", table).tolist() == codes_of(column(values), b"salt").tolist()
        assert len(table) <= half


@given(st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 200), max_size=30))))
def test_keys_are_found_where_numpy_finds_them(steps: list[tuple[bool, set[int]]]) -> None:
    ours, twin, model = KeyIndex(), by_numpy(KeyIndex), dict[int, int]()
    asked = np.arange(201, dtype=np.uint64)
    for is_insert, named in steps:
        some = sorted(named - model.keys() if is_insert else named & model.keys())
        keys, slots = np.array(some, np.uint64), np.array(some, np.int64) + 7
        if is_insert:
            ours.insert(keys, slots)
            by_numpy(lambda keys=keys, slots=slots: twin.insert(keys, slots))
            model |= dict(zip(some, slots.tolist(), strict=True))
        else:
            removed = by_numpy(lambda keys=keys: twin.remove(keys))
            assert ours.remove(keys).tolist() == removed.tolist() == [model.pop(key) for key in some]
        expected = [model.get(key, -1) for key in range(201)]
        assert ours.find(asked).tolist() == expected == by_numpy(lambda: twin.find(asked).tolist())
        assert len(ours) == len(model) == len(ours.items()[0])


def test_arrays_that_are_too_short_are_filled_as_far_as_they_go() -> None:
    core = compiled.fast()
    assert core is not None
    codes = np.zeros(1, np.uint64)
    assert core.text_codes(["a", "b"], codes, 0, {}, 0, 256, b"") == 1
    with pytest.raises(ValueError, match="contiguous"):
        core.text_codes(["a"], np.broadcast_to(codes, 2), 0, {}, 0, 256, b"")


def test_a_core_of_another_version_is_not_used_and_that_is_said(
    fresh: Callable[[], Core | None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    other = ModuleType("core")
    vars(other)["VERSION"] = compiled.VERSION + 1
    monkeypatch.setitem(sys.modules, "streamgauge.tracer.compiled.core", other)
    assert fresh() is None and fresh() is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert f"is of version {compiled.VERSION + 1}, not {compiled.VERSION}" in caplog.text


@pytest.mark.parametrize(("error", "level"), [(ModuleNotFoundError, logging.INFO), (ImportError, logging.WARNING)])
def test_a_core_that_is_missing_or_of_another_python_is_said_once(
    fresh: Callable[[], Core | None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    error: type[ImportError], level: int,
) -> None:  # fmt: skip
    def refuse(name: str) -> ModuleType:
        raise error(f"{name}: no such thing")

    monkeypatch.setattr(compiled.importlib, "import_module", refuse)
    with caplog.at_level(logging.INFO):
        assert fresh() is None and fresh() is None
    assert [record.levelno for record in caplog.records] == [level]


def test_it_can_be_switched_off(fresh: Callable[[], Core | None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiled.SWITCH, "off")
    assert fresh() is None
