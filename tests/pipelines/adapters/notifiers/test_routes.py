"""Who is told of what and when: routes by severity, owner and hours, and the second route."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamgauge.anomaly.types import Alert, Notification, Reason
from streamgauge.pipelines.adapters.notifiers.backed import Backed
from streamgauge.pipelines.adapters.notifiers.routed import INFORMED, Route, Routed
from streamgauge.pipelines.config.loading import parse
from streamgauge.pipelines.ports import NotifyError

DAY = datetime.datetime(2026, 11, 27, tzinfo=datetime.UTC).timestamp()  # a Friday
H = 3600.0
ROOT = Alert(
    fingerprint="a", node="labels", job="ctr", domain="sample", entity="", worker="", metric="label_overdue",
    severity="page", score=9.0, start=DAY, arrival=DAY,
)  # fmt: skip


def note(hour: float = 12.0, **more: Any) -> Notification:
    return Notification(
        id="1", job="ctr", time=DAY + H * hour, root=ROOT, reason=Reason(decision="root", text=""),
        **{"text": "labels", "status": "firing", "first": DAY + H * hour} | more,
    )  # fmt: skip


class Phone:
    name = "phone"

    def __init__(self, *, fails: bool = False, retryable: bool = True) -> None:
        self.told: list[Notification] = []
        self.fails, self.retryable = fails, retryable

    def notify(self, notification: Notification) -> None:
        if self.fails:
            raise NotifyError("no line", retryable=self.retryable)
        self.told.append(notification)


def rung(route: Route, *notes: Notification) -> list[Notification]:
    phone = Phone()
    routed = Routed(phone, route)
    for one in notes:
        routed.notify(one)
    return phone.told


@pytest.mark.parametrize(
    ("hours", "rings"),
    [
        ((), True), (("fri 08:00-20:00",), True), (("sat-thu 08:00-20:00",), False), (("20:00-08:00",), False),
        (("thu 20:00-13:00",), True), (("mon-wed 00:00-24:00", "12:00-12:30"), True),
    ],
)  # fmt: skip
def test_a_route_holds_in_its_hours_only(hours: tuple[str, ...], rings: bool) -> None:
    assert bool(rung(Route(hours=hours), note(12.0))) == rings


def test_hours_are_of_the_receivers_own_time_zone() -> None:
    assert rung(Route(hours=("20:00-21:00",), timezone="Asia/Shanghai"), note(12.5))


def test_what_was_told_in_its_hours_is_told_to_be_over_at_night() -> None:
    route = Route(hours=("08:00-20:00",))
    over = note(23.0, status="resolved", first=DAY + 12 * H)
    night = note(23.0, status="resolved", first=DAY + 22 * H)
    assert rung(route, over, night) == [over]


def test_a_root_pages_its_owner_and_informs_those_of_what_is_folded() -> None:
    one = note(owner="data", informed=("features",))
    assert rung(Route(owners=("data",)), one) == [one]
    assert rung(Route(owners=("serving",)), one) == []
    (told,) = rung(Route(owners=("features",)), one)
    assert (told.root.severity, told.text) == ("info", INFORMED + "labels")
    assert rung(Route(owners=("features",), takes_information=False), one) == []


def test_owners_are_informed_once_also_of_what_is_folded_later_and_told_of_the_end_only_then(tmp_path: Path) -> None:
    phone, route = Phone(), Route(owners=("features",))
    alone, later = note(owner="data"), note(owner="data", status="update", informed=("features",))
    over = note(owner="data", status="resolved", informed=("features",))
    assert rung(route, alone, over) == []
    for one in (alone, later, later, over, over):
        Routed(phone, route, tmp_path / "told").notify(one)  # another process of ours each time
    assert [(one.status, one.root.severity) for one in phone.told] == [("update", "info"), ("resolved", "page")]


def test_what_nobody_acknowledged_pages_the_others_too() -> None:
    route = Route(owners=("features",))
    early, late = (note(status="update", owner="data", informed=("features",), is_escalated=is_late)
                   for is_late in (False, True))  # fmt: skip
    informed, paged = rung(route, early, late)
    assert (informed.root.severity, paged) == ("info", late)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_after_two_minutes_of_silence_the_second_route_is_taken_until_the_first_is_back(tmp_path: Path) -> None:
    first, second, clock = Phone(fails=True), Phone(), Clock()
    backed = Backed(first, second, tmp_path / "kept", now=clock)
    for clock.now in (0.0, 60.0, 119.0):
        with pytest.raises(NotifyError):
            backed.notify(note())
    clock.now = 120.0
    backed.notify(note())
    backed.notify(note(13.0))
    assert len(second.told) == 2
    assert second.told[0].text.endswith("This came by the second route: phone could not be told.")
    assert backed.failing == "no line; phone was told in its place"
    first.fails = False
    backed.notify(note(14.0))
    assert (len(first.told), len(second.told), backed.failing) == (1, 2, "")


def test_whom_the_second_route_told_that_it_fires_it_tells_that_it_is_over_though_the_first_is_back(
    tmp_path: Path,
) -> None:
    first, second = Phone(fails=True, retryable=False), Phone()
    Backed(first, second, tmp_path / "kept", now=Clock()).notify(note())
    first.fails = False
    again = Backed(first, second, tmp_path / "kept", now=Clock())  # another process of ours
    for one in (note(status="update"), note(status="resolved"), note(), note(status="resolved")):
        again.notify(one)
    assert [one.status for one in second.told] == ["firing", "resolved"]
    assert [one.status for one in first.told] == ["update", "resolved", "firing", "resolved"]


def test_what_is_refused_for_good_takes_the_second_route_at_once(tmp_path: Path) -> None:
    first, second = Phone(fails=True, retryable=False), Phone()
    Backed(first, second, tmp_path / "kept", now=Clock()).notify(note())
    assert len(second.told) == 1


def test_if_both_fail_the_first_ones_error_stands(tmp_path: Path) -> None:
    clock = Clock()
    backed = Backed(Phone(fails=True), Phone(fails=True, retryable=False), tmp_path / "kept", now=clock)
    for clock.now in (0.0, 500.0):
        with pytest.raises(NotifyError) as caught:
            backed.notify(note())
        assert caught.value.retryable


def test_a_route_is_configured_by_its_keys() -> None:
    config = parse(
        'page_budget = 3\n[[notifiers]]\nname = "night"\nkind = "slack"\nurl = "http://x.example"\nbackup = "mail"\n'
        'hours = ["20:00-08:00"]\nowners = ["data"]\n[[notifiers]]\nname = "mail"\nkind = "email"\n'
        'url = "smtp://x.example"\nsender = "a@x.example"\nto = ["b@x.example"]\n'
        '[jobs.ctr]\nteam = "ads"\npaged = ["auc", "feature:*/psi"]\nowners = {"labels" = "data"}\n'
        '[jobs.ctr.paging]\nremind = ["1m", "2m"]\n'
    )  # fmt: skip
    assert msgspec.structs.asdict(config.notifiers[0])["backup"] == "mail"
    assert config.jobs[0].paging.remind == (60.0, 120.0)
