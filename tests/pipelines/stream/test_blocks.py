"""Kept piles change no bit of a window: slices that grow, leave or come again are folded as they are."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.pipelines.stream.blocks import Blocks
from streamgauge.tracer.records import Sketch
from streamgauge.tracer.summaries import Counts, Moments, encode, merge_sketches

SLIDE = 10
change = st.tuples(st.integers(1, 40), st.sampled_from("abc"), st.integers(1, 9), st.booleans())


def sketches(entity: str, rows: int) -> list[Sketch]:
    moments = Moments(count=rows, s1=0.1 * rows, s2=0.3 * rows, low=0.0, high=1.0)
    return [encode(s, "sample", "profile", entity) for s in (Counts(rows=rows), moments)]


@given(st.lists(change, min_size=1, max_size=60), st.integers(1, 30))
@settings(max_examples=100, deadline=None)
def test_a_window_is_the_fold_of_its_slices_whatever_was_kept(
    changes: list[tuple[int, str, int, bool]], n: int
) -> None:
    blocks, slices = Blocks(), dict[int, list[Sketch]]()
    for place, entity, rows, is_new in changes:
        at = place * SLIDE
        if is_new or at not in slices:
            slices[at] = sketches(entity, rows)
        else:
            slices[at].extend(sketches(entity, rows))
        end = max(slices)
        start = end - n * SLIDE
        held = {at: slices[at] for at in sorted(slices) if start < at <= end}
        folded = blocks.fold(held, start, end, SLIDE)
        assert folded == merge_sketches([sketch for at in held for sketch in held[at]])
        if is_new:
            blocks.forget(start)


def test_what_is_kept_is_bounded_by_what_is_not_forgotten() -> None:
    blocks = Blocks()
    for place in range(8, 400):
        slices = {at * SLIDE: sketches("a", at) for at in range(place - 7, place + 1)}
        blocks.fold(slices, (place - 8) * SLIDE, place * SLIDE, SLIDE)
        blocks.forget((place - 7) * SLIDE)
    assert len(blocks._slices) <= 8
    assert len(blocks._blocks) <= 2
