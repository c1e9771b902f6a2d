"""For each rule of the stream one way to break it, and the law or story that notices."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import msgspec

from streamgauge.pipelines.stream import (
    closing,
    facts,
    intake,
    names,
    operators,
    panes,
    retention,
    shards,
    snapshots,
    state,
    timing,
    watermark,
    windows,
)
from streamgauge.pipelines.stream.state import Closed, Job, Side, Worker
from tests.pipelines.stream import laws, test_rules, test_shards, test_windows


class Mutant(NamedTuple):
    """`owner.name` is replaced; `killer` is a law (of a Random) or a story (of nothing)."""

    rule: str
    owner: Any
    name: str
    broken: Any
    killer: Callable[..., None]


def _is_law(killer: Callable[..., None]) -> bool:
    return killer.__module__ == laws.__name__


def survives(mutant: Mutant, examples: int = 40) -> bool:
    """Whether the killer lets the (already installed) mutant live."""
    try:
        if _is_law(mutant.killer):
            for seed in range(examples):
                mutant.killer(Random(seed))
        else:
            mutant.killer()
    except Exception:  # a broken rule may show as any failure
        return False
    return True


_advance, _verdict, _passing, _tidy = timing.advance, watermark.verdict, watermark.passing, closing._tidy
_window, _revisions, _combined_take = panes.Track.window, closing._revisions, shards.Combiner._take


def _advance_back(job: Job, time: int) -> None:
    if job.ticked is not None and time < job.ticked:
        job.ticked = time - 1
    _advance(job, time)


def _stamped_with_the_tick(job: Job, deadline: timing.Deadline, until: int) -> None:
    timing_meet(job, (until, deadline[1], deadline[2]), until)


timing_meet = timing._meet


def _ordered_incarnations(member: watermark.Member, incarnation: str, sequence: int) -> watermark.Verdict:
    return "superseded" if incarnation < member.incarnation else _verdict(member, incarnation, sequence)


def _no_duplicates(member: watermark.Member, incarnation: str, sequence: int) -> watermark.Verdict:
    found = _verdict(member, incarnation, sequence)
    return "next" if found == "duplicate" and incarnation == member.incarnation else found


def _no_memory(member: watermark.Member, incarnation: str, sequence: int) -> watermark.Verdict:
    return _verdict(member, incarnation, sequence) if incarnation == member.incarnation else "new"


def _passing_now(member: watermark.Member, bound: int) -> watermark.Passing:
    return _passing(member, -watermark.FAR_PAST)


def _share_at_close(job: Job, side: Side, worker: Worker, window: windows.Window) -> Any:
    track = worker.wall if side is job.wall else worker.stream
    worker.frozen.pop((window.spec, window.end), None)
    return closing._fold(worker, track, side, window)


def _late_only_when_closed(end: int, passed: int, cursor: int, is_revisable: bool) -> bool:
    return end <= cursor and not is_revisable


def _skip_empty(job: Job, closed: Closed, revisions: Any = (), gap: int = 0) -> None:
    if closed.partials or gap:
        _emit(job, closed, revisions, gap)


_emit = closing._emit


def _newest_first(track: panes.Track, start: int, end: int, slice_end: Any) -> Any:
    parts = [track.panes[at] for at in sorted(track.panes, reverse=True) if start <= at < end]
    parts += [table for at, table in sorted(track.slices.items(), reverse=True) if start < at <= end]
    return panes.fold(parts) if parts else None


def _pass_newest_first(track: panes.Track, end: int) -> None:
    starts = sorted((start for start in track.panes if start < end), reverse=True)
    if starts:
        track.slices[end] = panes.fold([track.panes.pop(start) for start in starts])


def _always_revised(job: Job, side: Side, spec: int) -> list[Closed]:
    revised = _revisions(job, side, spec)
    for closed in job.rings.get(spec, []):
        if closed not in revised:
            closed.revision += 1
            revised.append(closed)
    return revised


def _apply_setting_at_once(combiner: shards.Combiner, item: Any) -> Any:
    if isinstance(item, shards.Forward):
        item = msgspec.structs.replace(item, after=0)
    return _combined_take(combiner, item)


def _no_numbers(combiner: shards.Combiner, item: Any) -> Any:
    combiner._inboxes[item.shard].number = 0
    return _combined_take(combiner, item)


def _unnoticed(table: panes.Table, *points: Any) -> None:
    _apply(table, *points)
    table.changes -= 1


def _taken_without_gone(rows: Any, config: Any) -> Any:
    job = _take_job(rows, config)
    for worker in job.workers.values():
        worker.member.superseded = []
        worker.frozen = {}
    return job


_apply, _take_job = panes.Table.apply, snapshots.take_job
NEVER = 10**17

MUTANTS = [
    Mutant("a tick not above the last is a no-op", timing, "advance", _advance_back, laws.one_log_gives_one_answer),
    Mutant("stamped with its deadline", timing, "_meet", _stamped_with_the_tick, laws.coarse_ticks_equal_fine_ones),
    Mutant("what came once is known", operators, "is_known", lambda job, record: False, laws.one_log_gives_one_answer),
    Mutant("a sequence not above the last", watermark, "verdict", _no_duplicates, laws.one_log_gives_one_answer),
    Mutant("incarnations are not ordered", watermark, "verdict", _ordered_incarnations,
           test_rules.test_an_unknown_incarnation_supersedes_and_old_ones_are_dropped_and_counted),
    Mutant("superseded ones are remembered", watermark, "verdict", _no_memory,
           test_rules.test_an_unknown_incarnation_supersedes_and_old_ones_are_dropped_and_counted),
    Mutant("a jump is loss", intake, "LOST", intake.DUPLICATE, test_rules.test_a_jump_in_the_sequence_is_loss),
    Mutant("silent after three intervals", watermark, "SILENT_INTERVALS", 4,
           test_rules.test_a_silent_member_stops_holding_after_three_intervals_and_is_missing_after_the_restart_grace),
    Mutant("a restart has its grace", watermark, "missing_at", lambda member, grace: watermark.silent_at(member),
           test_rules.test_a_silent_member_stops_holding_after_three_intervals_and_is_missing_after_the_restart_grace),
    Mutant("the silent do not hold", watermark, "holds", lambda member: member.state != "left",
           test_rules.test_a_silent_member_stops_holding_after_three_intervals_and_is_missing_after_the_restart_grace),
    Mutant("the live hold", watermark, "holds", lambda member: False,
           test_rules.test_windows_close_when_all_members_have_passed_them_empty_ones_too),
    Mutant("max_hold", watermark, "behind_at", lambda member, hold: NEVER,
           test_rules.test_a_member_behind_the_clock_is_a_fact_and_holds_nobody_until_it_has_caught_up),
    Mutant("until it has caught up", watermark, "has_caught_up", lambda *_: True,
           test_rules.test_a_member_behind_the_clock_is_a_fact_and_holds_nobody_until_it_has_caught_up),
    Mutant("late by the own watermark", closing, "_share", _share_at_close, laws.interleaving_does_not_show),
    Mutant("late is counted", intake, "is_late", _late_only_when_closed,
           test_rules.test_a_point_is_late_by_its_own_workers_watermark_though_the_window_is_open_for_others),
    Mutant("order of (end, length)", windows.Grid, "windows",
           lambda grid, bound, windows=windows.Grid.windows: windows(grid, bound)[::-1],
           test_rules.test_windows_close_in_order_of_end_and_length),
    Mutant("empty windows close", closing, "_emit", _skip_empty, laws.every_window_closes_with_what_came_in_time),
    Mutant("clamped to the clock", watermark, "horizon", lambda now, pane, ahead: NEVER,
           test_rules.test_times_beyond_the_clock_are_clamped_and_counted_and_nothing_before_the_first_tick),
    Mutant("on from where it was", watermark, "anchor", lambda member, now: now,
           test_rules.test_what_piled_up_while_the_host_was_away_keeps_its_time),
    Mutant("no leap on the way", watermark, "anchor", lambda member, now: NEVER,
           test_rules.test_a_worker_that_leaps_while_the_host_is_away_is_clamped),
    Mutant("the clock to the pane", watermark, "paned", lambda clock, pane: clock, laws.interleaving_does_not_show),
    Mutant("what is known is frozen", watermark, "passing", _passing_now, laws.interleaving_does_not_show),
    Mutant("wall windows close at pane bounds", state, "wall_delay", lambda config: 3_000_000,
           laws.interleaving_does_not_show),
    Mutant("a long empty run is one gap", closing, "MAX_CLOSES", NEVER,
           test_rules.test_a_long_run_of_empty_windows_is_one_gap),
    Mutant("the job ends after an hour", timing, "END_AFTER", NEVER,
           test_rules.test_a_job_without_members_ends_after_an_hour_shrinks_and_begins_again_with_the_next_record),
    Mutant("an ended job shrinks", timing, "_shrink", lambda job: None,
           test_rules.test_a_job_without_members_ends_after_an_hour_shrinks_and_begins_again_with_the_next_record),
    Mutant("the last three are revised", closing, "RING", 1,
           test_rules.test_what_a_returner_sends_revises_the_last_three_closed_windows_with_the_next_close),
    Mutant("only the last three", closing, "RING", 9,
           test_rules.test_what_a_returner_sends_revises_the_last_three_closed_windows_with_the_next_close),
    Mutant("only what changed is revised", closing, "_revisions", _always_revised,
           test_rules.test_what_a_returner_sends_revises_the_last_three_closed_windows_with_the_next_close),
    Mutant("workers by name", closing, "by_name", lambda shares: list(shares.values()),
           laws.interleaving_does_not_show),
    Mutant("slices oldest first", panes.Track, "window", _newest_first, laws.one_log_gives_one_answer),
    Mutant("panes oldest first", panes.Track, "pass_slice", _pass_newest_first,
           test_rules.test_workers_fold_by_name_and_panes_oldest_first),
    Mutant("series are limited", names, "OVERFLOW", None,
           test_rules.test_a_limit_on_series_is_visible_and_what_it_turned_away_is_counted),
    Mutant("unseen series leave", retention, "evict_series", lambda *_: None,
           test_rules.test_series_unseen_for_a_day_leave_and_make_room),
    Mutant("a fact is told once", facts, "find", lambda facts, subject: None,
           test_rules.test_non_finite_values_are_counted_apart_and_are_a_fact_at_once),
    Mutant("a fact ends when it is over", facts, "CLEAN_PANES", 9,
           test_rules.test_non_finite_values_are_counted_apart_and_are_a_fact_at_once),
    Mutant("non-finite values enter nothing", panes, "_is_finite", lambda values: True,
           test_rules.test_non_finite_values_are_counted_apart_and_are_a_fact_at_once),
    Mutant("all shards have reported", shards.Combiner, "_is_complete", lambda combiner, report: True,
           laws.order_of_shards_does_not_show),
    Mutant("numbers are taken once", shards.Combiner, "_take", _no_numbers, laws.order_of_shards_does_not_show),
    Mutant("settings have their place", shards.Combiner, "_take", _apply_setting_at_once,
           test_shards.test_settings_feedback_and_events_pass_once_and_have_their_place),
    Mutant("the state is whole", operators, "take_job", _taken_without_gone, laws.one_log_gives_one_answer),
    Mutant("a change in place is one", panes.Table, "apply", _unnoticed, laws.one_log_gives_one_answer),
    Mutant("long windows are local", windows.Calendar, "utc", lambda calendar, local: local,
           test_windows.test_long_windows_start_at_the_same_local_time_before_and_after_a_change),
]  # fmt: skip
