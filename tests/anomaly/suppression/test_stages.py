"""The rules of paging, one by one, on small nights: cases in which known systems page twice, never, or for ever."""

from __future__ import annotations

from typing import Any

import pytest

from streamgauge.anomaly.suppression import requests
from streamgauge.anomaly.suppression.arrivals import Arrival
from streamgauge.anomaly.suppression.episodes import STALE
from streamgauge.anomaly.suppression.stages import STAGES
from streamgauge.anomaly.types import Ack, Edge, Matcher, Silence, Topology, Unsuppress
from tests.anomaly.suppression.night import WAITS, Night, alert

CHAIN = [("a", "b"), ("b", "c"), ("c", "d")]


def silence(node: str, start: float, end: float) -> Silence:
    return Silence(id="s", job="ctr", matchers=(Matcher("node", node),), start=start, end=end)


def test_the_stages_are_one_visible_list() -> None:
    names = ["fold_at_once", "time_slices", "inhibit", "silence", "group", "deduplicate"]
    assert [stage.__name__ for stage in STAGES] == names


def test_a_root_pages_at_once_and_folds_what_follows() -> None:
    night = Night(CHAIN)
    told = night.tick(10, alert(10, "a"), alert(10, "b", start=8))
    assert [n.root.node for n in told] == ["a"]
    assert [item.alert.node for item in told[0].suppressed] == ["b"]
    assert told[0].suppressed[0].reason.path == ("a", "b")
    assert told[0].suppressed[0].reason.gap == -2


def test_a_page_never_says_that_nothing_is_broken_above_it_while_a_ticket_is_open_there() -> None:
    night = Night(CHAIN)
    night.play([alert(10, "a", severity="ticket")], until=100)
    night.play([alert(110, "b")], until=200)
    told = next(n for n in night.notifications if n.root.node == "b")
    assert told.reason.decision == "root"
    assert told.reason.text == "what is open upstream of b of the whole job does not explain it: a of the whole job"


def test_an_effect_that_comes_first_waits_its_grace_for_the_root() -> None:
    night = Night(CHAIN)
    assert night.play([alert(5, "b"), alert(30, "a", start=4)], until=100) == night.notifications
    assert night.firing() == ["a"]
    assert night.states() == {"a m": "sent", "b m": "suppressed"}


def test_without_a_root_the_topmost_effect_pages_when_its_grace_is_over_and_stamped_with_it() -> None:
    night = Night(CHAIN)
    told = night.play([alert(5, "b"), alert(5, "c")], until=100)
    assert [(n.root.node, n.time) for n in told] == [("b", 50.0)]
    assert night.states()["c m"] == "suppressed"


def test_a_chain_reaches_further_than_max_hops_through_what_it_suppresses() -> None:
    night = Night(CHAIN)
    night.tick(10, *(alert(10, node) for node in "dcba"))
    assert night.firing() == ["a"]
    assert len(night.notifications[0].suppressed) == 3


def test_two_ends_of_a_path_beyond_max_hops_are_two_roots() -> None:
    night = Night(CHAIN)
    night.play([alert(10, "a"), alert(10, "d")], until=400)
    assert night.firing() == ["a", "d"]


def test_an_alert_beyond_the_onset_window_of_a_live_root_pages_for_itself() -> None:
    night = Night(CHAIN)
    night.play([alert(10, "a"), alert(10 + 40 + 20 + 1, "b")], until=400)
    assert night.firing() == ["a", "b"]
    within = Night(CHAIN)
    within.play([alert(10, "a"), alert(10 + 40 + 20, "b")], until=400)
    assert within.firing() == ["a"]


def test_an_alert_that_began_well_before_its_would_be_cause_is_not_explained_by_it() -> None:
    night = Night(CHAIN)
    night.play([alert(10, "b"), alert(10 + 21, "a")], until=400)
    assert night.firing() == ["a", "b"]
    skewed = Night(CHAIN)
    skewed.play([alert(10, "b"), alert(10 + 20, "a")], until=400)
    assert skewed.firing() == ["a"]


def test_what_follows_the_end_of_a_root_is_held_for_a_time_and_told_if_it_stays() -> None:
    def play(*more: Arrival) -> Night:
        night = Night(CHAIN)
        ends = [alert(500, "a", start=10, end=490), *more]
        night.play([alert(10, "a"), alert(520, "b", start=495), *ends], until=900)
        return night

    assert play(alert(560, "b", start=495, end=555)).firing() == ["a"]
    stays = play()
    assert [(n.root.node, n.time) for n in stays.notifications if n.status == "firing"] == [
        ("a", 10.0), ("b", 520 + WAITS.recover),
    ]  # fmt: skip


def test_what_begins_long_after_a_root_is_not_its_effect_though_the_root_ends_later() -> None:
    night = Night(CHAIN)
    night.play([alert(10, "a"), alert(250, "b"), alert(400, "a", start=10, end=390)], until=500)
    assert night.firing() == ["a", "b"]


def test_two_nodes_on_a_cycle_page_once_at_the_first_ones_own_deadline() -> None:
    night = Night([("a", "b"), ("b", "a")])
    told = night.play([alert(5, "a", start=4), alert(6, "b", start=5)], until=400)
    assert [(n.root.node, n.time) for n in told] == [("a", 50.0)]


def test_a_silenced_root_hides_nothing() -> None:
    night = Night(CHAIN)
    requests.add_silence(night.ledger, silence("a", 0, 200), 0.0)
    night.play([alert(10, "a"), alert(10, "b")], until=190)
    assert night.firing() == ["b"]
    assert night.states() == {"a m": "silenced", "b m": "sent"}


def test_the_end_of_a_silence_pages_what_is_still_there() -> None:
    night = Night(CHAIN)
    requests.add_silence(night.ledger, silence("a", 0, 200), 0.0)
    told = night.play([alert(10, "a"), alert(15, "b")], until=400)
    assert [(n.root.node, n.time) for n in told] == [("b", 60.0), ("a", 200.0)]
    assert [item.node for item in told[1].grouped] == ["b"], "the late root names what it explains"


def test_a_silence_that_is_taken_back_is_judged_again() -> None:
    night = Night(CHAIN)
    requests.add_silence(night.ledger, silence("a", 0, 2000), 0.0)
    night.play([alert(10, "a")], until=100)
    requests.add_silence(night.ledger, silence("a", 0, 100), 100.0)
    assert [n.root.node for n in night.tick(110)] == ["a"]


@pytest.mark.parametrize(
    ("matcher", "is_held"),
    [
        (Matcher("node", "a"), True), (Matcher("node", "aa"), False), (Matcher("node", "[ab]", True), True),
        (Matcher("node", "", True), False), (Matcher("severity", "page"), True), (Matcher("job", "c.*", True), True),
    ],
)  # fmt: skip
def test_a_silence_matches_whole_labels(matcher: Matcher, is_held: bool) -> None:
    night = Night(CHAIN)
    requests.add_silence(night.ledger, Silence(id="s", job="ctr", matchers=(matcher,), start=0, end=100), 0.0)
    night.tick(10, alert(10, "a"))
    assert (night.states()["a m"] == "silenced") == is_held


def test_what_outlives_its_cause_pages_after_the_time_to_recover() -> None:
    night = Night(CHAIN)
    told = night.play([alert(10, "a"), alert(12, "b"), alert(100, "a", start=10, end=95)], until=600)
    over = 100 + WAITS.clear_hold + WAITS.recover
    assert [(n.root.node, n.status, n.time) for n in told] == [
        ("a", "firing", 10.0), ("b", "firing", over), ("a", "resolved", over),
    ]  # fmt: skip
    assert [n.reason.decision for n in told] == ["root", "outlived cause", "handed over"]
    assert told[-1].reason.text == "a of the whole job is over; still: b of the whole job"


def test_no_incident_is_called_over_while_a_member_fires() -> None:
    night = Night(CHAIN)
    night.play([alert(10, "a"), alert(12, "b"), alert(100, "a", start=10, end=95)], until=250)
    assert [n.status for n in night.notifications] == ["firing"]
    night.play([alert(260, "b", start=12, end=255)], until=400)
    assert [(n.status, n.root.node, n.reason.decision) for n in night.notifications[1:]] == [
        ("resolved", "a", "resolved")
    ]


def test_what_is_left_of_one_incident_is_told_once() -> None:
    night = Night([("a", "b"), ("a", "c"), ("a", "d")])
    ends = [alert(100, "a", start=10, end=95)]
    night.play([alert(10, "a"), *(alert(12, node) for node in "bcd"), *ends], until=900)
    assert night.firing() == ["a", "b"]
    assert [item.alert.node for item in night.notifications[1].suppressed] == ["c", "d"]


def test_a_cause_too_short_to_be_told_is_told_when_its_effects_stay() -> None:
    night = Night([("z", "a"), ("a", "b")])
    night.play([alert(10, "a"), alert(20, "b"), alert(30, "a", start=10, end=28)], until=200)
    assert night.firing() == ["a"]
    assert night.states()["b m"] == "suppressed"


def test_what_comes_back_before_it_was_told_keeps_its_place() -> None:
    night = Night([("z", "a")])
    night.play([alert(10, "a"), alert(30, "a", start=10, end=28), alert(80, "a")], until=200)
    assert night.firing() == ["a"]


def test_what_ends_with_its_cause_pages_nobody() -> None:
    night = Night(CHAIN)
    ends = [alert(100, "a", start=10, end=95), alert(150, "b", start=12, end=140)]
    night.play([alert(10, "a"), alert(12, "b"), *ends], until=900)
    assert [(n.root.node, n.status) for n in night.notifications] == [("a", "firing"), ("a", "resolved")]
    assert not night.ledger.episodes


def test_a_child_moves_under_another_root_that_explains_it() -> None:
    night = Night([("a", "c"), ("b", "c")])
    night.play([alert(10, "a"), alert(10, "b"), alert(12, "c"), alert(30, "a", start=10, end=28)], until=600)
    assert night.firing() == ["a", "b"]
    assert night.ledger.tables.live(night.decisions[0].alert.fingerprint) is None
    assert night.states() == {"b m": "sent", "c m": "suppressed"}


def test_after_effects_of_a_closed_root_get_time_to_pass_and_page_if_they_do_not() -> None:
    def play(*more: object) -> Night:
        night = Night(CHAIN)
        night.play([alert(10, "a"), alert(50, "a", start=10, end=45), alert(112, "b", start=100), *more], until=700)  # type: ignore[list-item]
        return night

    assert play(alert(150, "b", start=100, end=149)).firing() == ["a"]
    stays = play()
    assert stays.firing() == ["a", "b"]
    assert stays.notifications[-1].reason.decision == "outlived cause"


def test_a_late_root_pages_names_what_was_told_and_stops_its_repeats() -> None:
    night = Night(CHAIN, waits=WAITS._replace(repeat=100.0))
    told = night.play([alert(5, "b"), alert(60, "a", start=4)], until=390)
    assert [(n.root.node, n.status) for n in told][:2] == [("b", "firing"), ("a", "firing")]
    assert [item.node for item in told[1].grouped] == ["b"]
    assert {n.root.node for n in told[2:]} == {"a"}


def test_an_unknown_node_pages_at_once_whatever_is_broken() -> None:
    night = Night(CHAIN)
    night.tick(10, alert(10, "a"), alert(10, "mystery"))
    assert night.firing() == ["mystery", "a"] or night.firing() == ["a", "mystery"]
    assert {n.reason.decision for n in night.notifications} == {"root", "unknown node"}


def test_page_now_waits_for_nobody_and_folds_under_nothing_less() -> None:
    night = Night(CHAIN)
    assert [n.time for n in night.tick(10, alert(10, "b", severity="page-now"))] == [10.0]
    beside = Night(CHAIN)
    beside.tick(10, alert(10, "a"), alert(10, "b", severity="page-now"))
    assert beside.firing() == ["a", "b"]
    folded = Night(CHAIN)
    folded.tick(10, alert(10, "a", severity="page-now"), alert(10, "b", severity="page-now"))
    assert folded.firing() == ["a"]


def test_what_becomes_page_now_beneath_a_page_is_told() -> None:
    night = Night(CHAIN)
    night.play([alert(10, "a"), alert(12, "b"), alert(100, "b", start=12, severity="page-now")], until=110)
    assert night.firing() == ["a", "b"]


def test_a_late_root_does_not_stop_the_repeats_of_what_is_graver() -> None:
    night = Night(CHAIN, waits=WAITS._replace(repeat=100.0))
    told = night.play([alert(5, "b", severity="page-now"), alert(60, "a", start=4)], until=300)
    assert {(n.root.node, n.status) for n in told} == {
        ("b", "firing"), ("a", "firing"), ("b", "update"), ("a", "update"),
    }  # fmt: skip


def test_a_ticket_hides_no_page_and_information_is_told_to_nobody() -> None:
    night = Night(CHAIN)
    night.play([alert(10, "a", severity="ticket"), alert(10, "b"), alert(10, "c", severity="info")], until=100)
    assert night.firing() == ["a", "b"]
    lonely = Night(CHAIN)
    lonely.play([alert(10, "a", severity="info")], until=100)
    assert not lonely.notifications
    assert lonely.states() == {"a m": "cleared"}


def test_information_that_becomes_a_page_is_told() -> None:
    night = Night(CHAIN)
    night.play([alert(10, "a", severity="info"), alert(30, "a", start=10, severity="page")], until=100)
    assert night.firing() == ["a"]


def test_a_flap_within_clear_hold_is_one_page() -> None:
    night = Night(CHAIN)
    arrivals = [alert(10, "a")]
    for i in range(1, 7):
        arrivals += [alert(10 + 40 * i, "a", start=10 + 40 * i - 30, end=5 + 40 * i), alert(20 + 40 * i, "a")]
    night.play(arrivals, until=600)
    assert [n.status for n in night.notifications] == ["firing"]
    assert sum(d.reason.decision == "flapping" for d in night.decisions) == 6


def test_a_flap_that_is_down_at_every_deadline_is_told_all_the_same() -> None:
    night = Night(CHAIN)
    arrivals = []
    for i in range(4):
        arrivals += [alert(2 + 10 * i, "b", number=2 * i + 1), alert(7 + 10 * i, "b", start=2 + 10 * i, end=6 + 10 * i)]
    night.play(arrivals, until=100, every=1)
    assert night.firing() == ["b"]


def test_an_anomaly_that_is_over_within_its_grace_is_cleared_but_a_fact_is_told() -> None:
    for kind, pages in (("anomaly", []), ("fact", ["b"])):
        night = Night(CHAIN)
        night.play([alert(10, "b", kind=kind), alert(20, "b", start=10, end=19, kind=kind)], until=300)  # type: ignore[arg-type]
        assert night.firing() == pages


def test_resolved_is_told_if_and_only_if_firing_was() -> None:
    night = Night(CHAIN)
    ends = [alert(200, node, start=10, end=195) for node in "abc"]
    night.play([*(alert(10, node) for node in "abc"), *ends], until=600)
    assert [(n.root.node, n.status) for n in night.notifications] == [("a", "firing"), ("a", "resolved")]
    assert {len(n.suppressed) for n in night.notifications} == {2}


def test_an_acknowledged_incident_is_not_repeated() -> None:
    night = Night(CHAIN, waits=WAITS._replace(repeat=100.0))
    night.play([alert(10, "a")], until=250)
    assert [n.status for n in night.notifications] == ["firing", "update", "update"]
    requests.acknowledge(night.ledger, Ack(job="ctr", notification=night.notifications[1].id))
    assert not night.play([], until=900)


def test_what_is_suppressed_is_shown_again_even_when_the_root_is_acknowledged() -> None:
    night = Night(CHAIN, waits=WAITS._replace(digest=100.0))
    night.play([alert(10, "a"), alert(20, "b")], until=50)
    requests.acknowledge(night.ledger, Ack(job="ctr", notification=night.notifications[0].id))
    told = night.play([], until=300)
    assert [(n.status, n.time) for n in told] == [("update", 110.0), ("update", 210.0)]
    assert [item.alert.node for item in told[0].suppressed] == ["b"]


def test_after_a_jump_of_time_only_the_last_repeat_is_told() -> None:
    night = Night(CHAIN, waits=WAITS._replace(repeat=100.0))
    night.tick(10, alert(10, "a"))
    assert [n.time for n in night.tick(5555)] == [5510.0]


def test_somebody_may_unsuppress() -> None:
    night = Night(CHAIN)
    night.tick(10, alert(10, "a"), alert(10, "b"), alert(10, "c"))
    episode = next(e.id for e in night.ledger.episodes.values() if e.alert.node == "b")
    requests.unsuppress(night.ledger, Unsuppress(job="ctr", episode=episode, author="eve"), 10.0)
    told = night.tick(20)
    assert [(n.root.node, n.reason.decision) for n in told] == [("b", "unsuppressed")]
    assert night.states() == {"a m": "sent", "b m": "sent", "c m": "suppressed"}


def test_a_dead_detector_hides_nothing_for_ever() -> None:
    night = Night(CHAIN)
    night.tick(10, alert(10, "a"))
    assert [n.status for n in night.tick(10 + STALE)] == ["resolved"]


def test_an_episode_that_comes_again_after_it_was_closed_is_not_told_again() -> None:
    night = Night(CHAIN)
    night.play([alert(10, "a"), alert(50, "a", start=10, end=40), alert(300, "a", start=10)], until=400)
    assert [n.status for n in night.notifications] == ["firing", "resolved"]
    assert night.states() == {"a m": "cleared"}


def test_a_changed_topology_releases_what_hung_on_an_edge_that_is_gone() -> None:
    night = Night(CHAIN)
    night.tick(10, alert(10, "a"), alert(10, "b"), alert(10, "c"))
    night.ledger.use(Topology(job="ctr", revision=2, edges=(Edge("b", "c"),), nodes=("a",)))
    requests.reconsider(night.ledger, 10.0)
    told = night.tick(20)
    assert [n.root.node for n in told] == ["b"]
    assert told[0].reason.topology == 2


# --- one entity at the job and at its workers -----------------------------------------------------------------------


LABELS = [("labels@x", "labels"), ("labels@y", "labels"), ("labels@z", "labels"), ("labels", "labels@x")]


def test_the_job_leads_when_more_than_half_of_the_workers_fire() -> None:
    night = Night(LABELS, workers=3)
    night.tick(10, alert(10, "labels@x"), alert(10, "labels@y"), alert(10, "labels", score=5.0))
    assert night.firing() == ["labels"]
    assert len(night.notifications[0].suppressed) == 2


def test_the_strongest_worker_leads_when_it_is_alone() -> None:
    night = Night(LABELS, workers=3)
    night.play([alert(10, "labels@x", score=20.0), alert(10, "labels", score=12.0)], until=60)
    assert night.firing() == ["labels@x"]


def test_the_job_leads_when_its_deviation_is_larger_than_any_workers() -> None:
    night = Night(LABELS, workers=3)
    night.play([alert(10, "labels@x", score=12.0), alert(10, "labels", score=20.0)], until=60)
    assert night.firing() == ["labels"]


def test_metrics_of_one_entity_that_begin_together_are_one_incident_and_later_ones_another() -> None:
    waits = WAITS._replace(group=30.0)
    night = Night(LABELS, workers=3, waits=waits)
    night.play([alert(10, "labels@x"), alert(40, "labels@x", metric="near"), alert(40, "labels")], until=500)
    assert night.firing() == ["labels@x"]
    assert {d.reason.decision for d in night.decisions if d.state == "suppressed"} == {"grouped"}
    night.play([alert(5000, "labels@x", metric="late")], until=6000)
    assert night.firing() == ["labels@x", "labels@x"]


def test_what_a_long_window_of_the_same_entity_finds_later_began_together() -> None:
    night = Night(LABELS, workers=3, waits=WAITS._replace(group=30.0))
    night.play([alert(1000, "labels@x"), alert(3700, "labels@x", start=100, metric="hourly")], until=4000)
    assert night.firing() == ["labels@x"]


def test_a_repeated_alert_of_one_worker_groups_what_the_worker_shows_within_the_time() -> None:
    waits = WAITS._replace(group=600.0)
    night = Night([("a@x", "b@x"), ("c@x", "d@x"), ("c@y", "d@y")], waits=waits)
    night.play([alert(10, "b@x"), alert(500, "d@x"), alert(500, "d@y"), alert(700, "c@x", metric="late")], until=900)
    assert night.firing() == ["b@x", "d@y", "c@x"]


ABSENT: dict[str, Any] = {"metric": "missing_rate", "kind": "fact", "score": 1e9}
DRIFT: dict[str, Any] = {"metric": "psi"}
FED = [(f"feature:{name}", effect) for name in "abcde" for effect in ("samples", "model")]
FED += [(f"feature:{name}@x", f"feature:{name}") for name in "abcde"]


def test_features_that_are_absent_at_once_are_one_page_and_one_that_is_later_is_another() -> None:
    night = Night(FED, waits=WAITS._replace(group=20.0))
    night.play([alert(60, f"feature:{name}", start=0, **ABSENT) for name in "abcd"], until=200)
    night.play([alert(360, "feature:e", start=300, **ABSENT)], until=500)
    assert night.firing() == ["feature:a", "feature:e"]
    first, _ = night.notifications
    assert [item.alert.node for item in first.suppressed] == ["feature:b", "feature:c", "feature:d"]
    assert first.suppressed[0].reason.text == "the same fact as feature a of the whole job, at the same time"


def test_what_is_left_of_absent_features_is_told_once() -> None:
    night = Night(FED, waits=WAITS._replace(group=20.0))
    night.play([alert(60, f"feature:{name}", start=0, **ABSENT) for name in "abc"], until=200)
    night.play([alert(300, "feature:a", start=0, end=240, **ABSENT)], until=900)
    assert night.firing() == ["feature:a", "feature:b"]


def test_absent_features_of_two_sources_or_with_different_facts_are_apart() -> None:
    night = Night([*FED, ("source:s", "feature:a"), ("source:t", "feature:b")], waits=WAITS._replace(group=20.0))
    drift = {**ABSENT, "metric": "psi"}
    told = [alert(60, f"feature:{name}", start=0, **ABSENT) for name in "abc"]
    night.play([*told, alert(60, "feature:d", start=0, **drift)], until=200)
    assert sorted(night.firing()) == ["feature:a", "feature:b", "feature:c", "feature:d"]


def test_what_was_told_of_features_before_decides_nothing_about_what_they_state_now() -> None:
    """As after a restart between the two, and as on a night of its own."""
    facts, drifts = ([alert(10_060, f"feature:{name}", start=10_000, **more) for name in "ab"] for more in (ABSENT, {}))
    healed: dict[str, Any] = {"start": 0, "end": 900}
    for before, now, pages in ((DRIFT, facts, 1), (ABSENT, drifts, 2)):
        night, fresh = Night(FED), Night(FED)
        night.play([alert(60 + 840 * over, f"feature:{name}", **before, **(healed if over else {"start": 0}))
                    for over in (0, 1) for name in "ab"], until=9_000)  # fmt: skip
        assert not [node for node, state in night.states().items() if state == "sent"]
        told = len(night.firing())
        night.play(now, until=10_500)
        fresh.play(now, until=10_500)
        assert len(night.firing()) - told == len(fresh.firing()) == pages


def test_trouble_at_one_worker_does_not_hide_what_most_workers_show() -> None:
    lineage = [("b@x", "labels@x"), ("b@y", "labels@y"), ("b@x", "labels"), *LABELS]
    alone = Night(lineage, workers=3)
    alone.play([alert(10, "b@x"), alert(20, "labels@x"), alert(20, "labels")], until=100)
    assert alone.firing() == ["b@x"]
    night = Night(lineage, workers=3)
    night.play([alert(10, "b@x"), *(alert(20, node) for node in ("labels@x", "labels@y", "labels"))], until=100)
    assert night.firing() == ["b@x", "labels"]


def test_a_stronger_explanation_upstream_of_a_sent_root_is_told_though_the_worker_is_the_same() -> None:
    night = Night([("a@x", "b@x")], waits=WAITS._replace(group=600.0))
    night.play([alert(10, "b@x"), alert(100, "a@x", start=9)], until=200)
    assert night.firing() == ["b@x", "a@x"]
