"""What is kept by keys is never more than its bytes, and never another's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pipelines.wire.by_keys import ENTRY_BYTES, ByKeys


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 1500)), max_size=60), st.integers(0, 4000))
def test_bytes_are_those_of_what_is_there_and_never_above_the_bound(kept: list[tuple[int, int]], most: int) -> None:
    cache, sizes = ByKeys[int, str](most), dict[int, int]()
    for key, size in kept:
        cache.keep(key, f"{key}", size)
        sizes.setdefault(key, size)
        there = [one for one in range(21) if cache.get(one) is not None]
        if key not in there:
            del sizes[key]
        sizes = {one: sizes[one] for one in sizes if one in there}
        assert cache.bytes == sum(size + ENTRY_BYTES for size in sizes.values()) <= most
        assert all(cache.get(one) == f"{one}" for one in there)
    cache.clear()
    assert (cache.bytes, cache.get(0)) == (0, None)


def test_one_that_is_larger_than_all_room_drives_nothing_out() -> None:
    cache = ByKeys[str, int](1000)
    cache.keep("a", 1, 100)
    cache.keep("b", 2, 2000)
    assert (cache.get("a"), cache.get("b")) == (1, None)
