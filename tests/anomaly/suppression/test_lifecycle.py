"""The laws of paging over random storms: conservation, no cycle, no permanent suppression, one page, same bytes."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.anomaly.suppression import requests
from streamgauge.anomaly.suppression.arrivals import Arrival
from streamgauge.anomaly.suppression.episodes import STALE, Waits
from streamgauge.anomaly.types import Matcher, Silence
from tests.anomaly.suppression.night import WAITS, Night, alert, check, check_ends, edges, storms, summary
from tests.growth import lines

Pairs = list[tuple[str, str]]
waits = st.sampled_from(
    (WAITS, WAITS._replace(group=120.0, max_hops=3), WAITS._replace(grace=0.0, clear_hold=0.0, recover=0.0))
)
BOUND = WAITS.max_wait + WAITS.recover + 3 * WAITS.hop_delay + WAITS.grace + 4 * WAITS.clear_hold


@given(edges, storms(), waits)
def test_i1_to_i4_and_i9_hold_after_every_tick(pairs: Pairs, storm: list[Arrival], wait: Waits) -> None:
    night = Night(pairs, waits=wait)
    for now in range(10, 1400, 10):
        told = night.tick(now, *(a for a in storm if now - 10 < a.time <= now))
        check(night)
        check_ends(night, told)


@given(edges, storms(), waits)
def test_i1_every_episode_that_opened_is_open_or_was_closed_once(
    pairs: Pairs, storm: list[Arrival], wait: Waits
) -> None:
    night = Night(pairs, waits=wait)
    night.play(storm, until=2000)
    ends = ("resolved", "handed over")
    closed = [d.alert.episode for d in night.decisions if d.state == "cleared" and d.reason.decision in ends]
    assert len(closed) + len(night.ledger.episodes) == night.ledger.count
    assert not set(closed) & set(night.ledger.episodes) or len(set(closed)) < night.ledger.count


@given(edges, storms(), waits)
def test_i5_nothing_is_undecided_for_ever(pairs: Pairs, storm: list[Arrival], wait: Waits) -> None:
    night = Night(pairs, waits=wait)
    last = max(a.time for a in storm)
    longest = max(e.time - e.anomaly.start for e in storm)
    night.play(storm, until=last + 8 * (BOUND + longest))
    assert "pending" not in night.states().values()


@given(edges, storms())
def test_i6_what_is_over_leaves_and_i7_nothing_is_suppressed_for_ever(pairs: Pairs, storm: list[Arrival]) -> None:
    night = Night(pairs)
    night.play(storm, until=1000)
    live = {e.alert.fingerprint: e for e in night.ledger.episodes.values() if not e.is_over}
    ends = [
        msgspec.structs.replace(a.anomaly, end=1001.0, time=1001.0)
        for a in storm
        if a.anomaly.end is None and a.anomaly.fingerprint in live
        and a.anomaly.start == live[a.anomaly.fingerprint].latest
    ]  # fmt: skip
    night.tick(1010, *(Arrival(1001.0, live[e.fingerprint].alert.node, "", e) for e in ends))
    night.play([], until=1010 + 4 * BOUND)
    assert not night.ledger.episodes
    stuck = Night(pairs)
    stuck.play(storm, until=1000)
    stuck.play([], until=1000 + STALE + BOUND, every=STALE / 4)
    stuck.play([], until=stuck.now + STALE + BOUND, every=STALE / 4)
    assert not stuck.ledger.episodes


@given(edges, storms(), waits)
def test_i8_one_page_an_episode_and_resolved_if_and_only_if_it_was_told(
    pairs: Pairs, storm: list[Arrival], wait: Waits
) -> None:
    night = Night(pairs, waits=wait)
    night.play(storm, until=2000)
    firing = [n.root.episode for n in night.notifications if n.status == "firing"]
    resolved = [n.root.episode for n in night.notifications if n.status == "resolved"]
    assert len(set(firing)) == len(firing)
    assert len({n.id for n in night.notifications}) == len(night.notifications)
    still_open = {e.id for e in night.ledger.episodes.values() if e.state == "sent"}
    assert sorted(firing) == sorted([*resolved, *still_open])


@given(edges, storms(), st.integers(1, 139), waits)
def test_i10_a_restart_at_any_tick_changes_no_byte(pairs: Pairs, storm: list[Arrival], at: int, wait: Waits) -> None:
    one, other = Night(pairs, waits=wait), Night(pairs, waits=wait)
    one.play(storm, until=1400)
    other.play([a for a in storm if a.time <= 10 * at], until=10 * at)
    other.restart()
    other.play([a for a in storm if a.time > 10 * at], until=1400)
    assert one.bytes() == other.bytes()


@given(edges, storms())
def test_i11_the_first_undecided_alert_pages_or_folds_at_its_own_deadline(pairs: Pairs, storm: list[Arrival]) -> None:
    night = Night(pairs)
    night.play(storm, until=2000)
    for page in (n for n in night.notifications if n.status == "firing" and n.reason.decision == "root"):
        assert page.time <= page.root.arrival + WAITS.max_wait + WAITS.grace


@given(edges, storms())
def test_i13_what_has_nothing_upstream_pages_without_delay(pairs: Pairs, storm: list[Arrival]) -> None:
    night = Night(pairs)
    night.play(storm, until=2000)
    for page in (n for n in night.notifications if n.status == "firing"):
        is_plain = page.reason.decision in ("root", "unknown node")
        if is_plain and night.ledger.graph.is_top(page.root.node):
            assert page.time == page.root.arrival


@given(edges, storms(), st.sampled_from((1e6, 1.5e9)))
def test_i14_a_shift_of_time_changes_nothing_else(pairs: Pairs, storm: list[Arrival], shift: float) -> None:
    def later(a: Arrival) -> Arrival:
        end = None if a.anomaly.end is None else a.anomaly.end + shift
        anomaly = msgspec.structs.replace(a.anomaly, start=a.anomaly.start + shift, time=a.time + shift, end=end)
        return Arrival(a.time + shift, a.node, a.text, anomaly)

    one, other = Night(pairs), Night(pairs)
    other.now = shift
    one.play(storm, until=1400)
    other.play([later(a) for a in storm], until=1400 + shift)
    assert summary(one) == summary(other)
    assert [n.time + shift for n in one.notifications] == [n.time for n in other.notifications]


@given(edges, storms(), st.randoms(use_true_random=False))
def test_i15_the_order_within_a_tick_changes_no_byte(pairs: Pairs, storm: list[Arrival], random: object) -> None:
    numbered = [
        Arrival(a.time, a.node, a.text, msgspec.structs.replace(a.anomaly, number=i)) for i, a in enumerate(storm, 1)
    ]
    one, other = Night(pairs), Night(pairs)
    for now in range(10, 1400, 10):
        due = [a for a in numbered if now - 10 < a.time <= now]
        one.tick(now, *due)
        random.shuffle(due)  # type: ignore[attr-defined]
        other.tick(now, *due)
    assert one.bytes() == other.bytes()


@given(edges, storms(), st.integers(0, 500), st.integers(1, 500))
def test_i16_a_silence_holds_back_only_while_it_lasts(
    pairs: Pairs, storm: list[Arrival], start: int, length: int
) -> None:
    night = Night(pairs)
    everything = Silence(
        id="s", job="ctr", matchers=(Matcher("job", ".*", True),), start=float(start), end=float(start + length)
    )
    requests.add_silence(night.ledger, everything, 0.0)
    night.play(storm, until=2000)
    held = [n.time for n in night.notifications if n.status != "resolved"]
    assert not [time for time in held if everything.start <= time < everything.end]
    assert "silenced" not in night.states().values()


@given(edges, storms())
def test_i17_what_pages_list_is_what_the_audit_says(pairs: Pairs, storm: list[Arrival]) -> None:
    night = Night(pairs)
    night.play(storm, until=3000)
    audit: dict[str, int] = {}
    for d in night.decisions:
        if d.state == "suppressed" and d.reason.decision in ("inhibited", "grouped"):
            audit[d.reason.root] = audit.get(d.reason.root, 0) + 1
    for page in (n for n in night.notifications if n.status == "resolved"):
        assert len(page.suppressed) == audit.get(page.root.episode, 0)


@given(edges, storms(), st.integers(1, 12))
def test_overdue_timers_fire_at_the_next_tick_stamped_with_their_deadlines(
    pairs: Pairs, storm: list[Arrival], every: int
) -> None:
    """Alerts at one tick each: how often ticks come changes nothing but when it is said."""
    at_ticks = [Arrival(120.0 * (1 + a.time // 120), a.node, a.text, a.anomaly) for a in storm]
    one, other = Night(pairs), Night(pairs)
    one.play(at_ticks, until=2400, every=120)
    other.play(at_ticks, until=2400, every=120 / every)
    assert one.bytes() == other.bytes()


def test_thousands_of_alerts_on_one_node_are_not_quadratic() -> None:
    def cost(n: int) -> int:
        night = Night([("a", "b")])
        alerts = [alert(10, "a"), *(alert(10, "b", metric=f"m{i}") for i in range(n))]
        cost = lines(lambda: night.tick(10, *alerts))
        assert len(night.notifications) == 1
        return cost

    assert cost(1600) < 5 * cost(400)
