"""The report judges by the truth file, and can say that something was missed."""

import numpy as np
import pytest

pytest.importorskip("pandas", reason="the demo needs pandas: install streamgauge[demo]")

from streamgauge.examples.flights import report, truth
from streamgauge.examples.flights.report import Paged

KNOWN = truth.load()
TAIL = KNOWN.incident[0]
START = truth.seconds(TAIL.start)
TIMES = {airport: np.arange(START - 86400, START + 86400 * 5, 600.0) for airport in ("EWR", "JFK", "LGA")}


def page(**changes: object) -> Paged:
    found = Paged("n1", START + 3 * 3600, START, "sample", "feature:tailnum", "LGA", "text", 4)
    return found._replace(**changes)  # type: ignore[arg-type]


def judged(*pages: Paged) -> dict[str, object]:
    return report.build(KNOWN, pages, TIMES, START - 86400, START + 5 * 86400, {"records": 1})


def test_one_page_at_the_right_place_is_found_after_one_window() -> None:
    incident = judged(page())["incidents"][0]  # type: ignore[index]
    assert incident["found"] and incident["delay_windows"] == 1 and incident["suppressed"] == 4


@pytest.mark.parametrize(
    "wrong", [{"worker": ""}, {"domain": "train"}, {"entity": "feature:dest"}, {"start": START + 9e5}]
)
def test_a_page_at_the_wrong_place_is_unexplained(wrong: dict[str, object]) -> None:
    result = judged(page(**wrong))
    assert not result["incidents"][0]["found"]  # type: ignore[index]
    assert result["unexplained"] == 1 and not report.is_good(result)


def test_two_pages_for_one_incident_are_not_found_once() -> None:
    incident = judged(page(), page(id="n2", time=START + 6 * 3600))["incidents"][0]  # type: ignore[index]
    assert not incident["found"] and incident["pages"] == 2


def test_nights_without_rows_do_not_count_as_delay() -> None:
    rows = np.array([START + 60.0, START + 11 * 3600.0])
    assert report.windows_between(rows, START, START + 3 * 3600) == 1
    assert report.windows_between(rows, START, START + 9 * 3600) == 1
    assert report.windows_between(rows, START, START + 12 * 3600) == 2


def test_the_table_says_what_was_missed() -> None:
    assert "NOT FOUND" in report.table(judged())
    assert "after 1 window, 4 folded" in report.table(judged(page()))
