"""The table of features over a real store: useful ones are kept, noise is dropped, sick ones are told to a person."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from streamgauge.anomaly.types import Anomaly, Score
from streamgauge.pipelines.adapters.sqlite.query import SqliteQuery
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.cli import main
from streamgauge.pipelines.config.loading import load
from streamgauge.pipelines.features.judgement import judged
from streamgauge.pipelines.features.lines import as_csv
from streamgauge.pipelines.features.similar import similar
from streamgauge.pipelines.features.table import table, utility
from streamgauge.pipelines.service.stores import store_path
from streamgauge.pipelines.wire.outputs import PointColumns, Profiles
from streamgauge.tracer.summaries import Bins, encode

T0, HOUR, HOURS = 1_764_288_000.0, 3600.0, 48
NAMES = ("useful", "noise", "gone", "shaky", "weak", "one_value")
FILE = """
data = "{data}"
port = 1
[jobs.ctr]
owners = {{ "feature:use*" = "ads" }}
features = [
  {{ name = "useful", kind = "numeric", cost = 2.5 }}, {{ name = "noise", kind = "numeric" }},
  {{ name = "never", kind = "numeric" }},
]
[jobs.other]
features = [{{ name = "useful", kind = "numeric" }}]
"""


def hour(at: int) -> dict[str, Bins]:
    """Label counts of 2,000 rows by feature."""
    rng = np.random.default_rng(at)
    useful, noise = rng.normal(size=2000).round(1), rng.normal(size=2000).round(1)
    weak = rng.normal(size=2000).round(1)
    y = rng.random(2000) < 0.2 + 0.08 * np.clip(useful, -2, 2) + 0.012 * np.clip(weak, -2, 2)
    columns = dict.fromkeys(NAMES, useful) | {"noise": noise, "weak": weak, "one_value": np.ones(2000)}
    return {name: Bins.of_numeric(column, y.astype(float)) for name, column in columns.items()}


def value_of(name: str, metric: str, at: int) -> float:
    known = {
        ("gone", "missing_rate"): 0.97, ("shaky", "missing_rate"): 0.4 + 0.01 * at, ("one_value", "dispersion"): 0.0,
        ("one_value", "distinct"): 1.0,
    }  # fmt: skip
    usual = {"missing_rate": 0.01, "dispersion": 0.5, "distinct": 60.0, "iv": 0.2}
    return known.get((name, metric), usual[metric])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("features")
    path = folder / "streamgauge.toml"
    path.write_text(FILE.format(data=folder / "data"))
    (folder / "data").mkdir()
    store = SqliteStore(store_path(load(path)))
    store.write(list(records()))
    store.close()
    return path


def records() -> Any:
    keys = [["", "sample", f"feature:{n}", m] for n in NAMES for m in ("missing_rate", "dispersion", "distinct", "iv")]
    nothing = np.full(len(keys), np.nan).tobytes()
    for at in range(HOURS):
        start, end = T0 + at * HOUR, T0 + (at + 1) * HOUR
        values = np.array([value_of(entity.removeprefix("feature:"), metric, at) for _, _, entity, metric in keys])
        yield PointColumns(
            job="ctr", window="long", start=start, end=end, revision=0, number=2 * at + 1,
            keys=msgspec.msgpack.encode(keys), value=values.tobytes(), rows=nothing, error=nothing, floor=nothing,
            reference=nothing, low=nothing, high=nothing,
        )
        sketches = tuple(encode(bins, "train", "bins", f"feature:{name}") for name, bins in sorted(hour(at).items()))
        yield Profiles(
            job="ctr", worker="", window="long", start=start, end=end, revision=0, number=2 * at + 2, sketches=sketches
        )
        if at in (10, 20):
            yield Anomaly(
                kind="anomaly", job="ctr", worker="", domain="sample", entity="feature:useful", metric="psi",
                severity="ticket", start=start, time=end, end=end, number=at,
            )
        yield Score(job="ctr", domain="overall", start=start, end=end, micropoints=97_000_000, coverage=1.0)


def rows_of(file: Path) -> dict[str, dict[str, Any]]:
    config = load(file)
    query = SqliteQuery(store_path(config))
    end = T0 + HOURS * HOUR + 1.0
    found = table(query, config.jobs[0], end - HOURS * HOUR, end, config.jobs)
    query.close()
    return {row["name"]: row for row in found}


def test_each_feature_gets_the_decision_that_it_was_planted_for(file: Path) -> None:
    found = rows_of(file)
    assert {name: row["decision"] for name, row in found.items()} == {
        "useful": "keep", "noise": "drop", "gone": "drop", "shaky": "contact", "weak": "contact", "one_value": "drop",
        "never": "contact",
    }  # fmt: skip
    assert "says nothing of the label" in found["noise"]["reason"]
    assert "weak alone" in found["weak"]["reason"]
    assert found["gone"]["reason"] == "missing in 97 % of the rows"
    assert found["never"]["reason"] == "declared, and never seen in the range"


def test_utility_is_that_of_all_windows_merged_with_a_floor_far_below_that_of_one(file: Path) -> None:
    row = rows_of(file)["useful"]
    merged = Bins.merge([hour(at)["useful"] for at in range(HOURS)])
    assert row["positives"] == merged.positives.sum()
    one = utility([{"end": 1.0, "start": 0.0, "sketches": [plain(hour(0)["useful"])]}])["useful"]
    assert row["utility_floor"] < 0.05 * one["utility_floor"]
    assert row["utility"] > 5 * row["utility_floor"]


def plain(bins: Bins) -> dict[str, Any]:
    import base64

    columns = [base64.b64encode(column).decode() for column in bins.columns()]
    return {"kind": "bins", "clock": "train", "name": "bins", "entity": "feature:useful", "columns": columns}


def test_windows_that_overlap_are_counted_once() -> None:
    windows = [{"end": 3600.0 + i, "start": float(i), "sketches": [plain(hour(0)["useful"])]} for i in (120, 60, 0)]
    assert utility(windows)["useful"]["positives"] == hour(0)["useful"].positives.sum()


def test_owner_cost_usage_and_episodes_are_those_of_the_configuration_and_the_store(file: Path) -> None:
    found = rows_of(file)
    assert (found["useful"]["owner"], found["useful"]["cost"], found["useful"]["usage"]) == ("ads", 2.5, 2)
    assert (found["useful"]["episodes"], found["noise"]["episodes"]) == (2, 0)
    assert (found["noise"]["owner"], found["noise"]["cost"], found["noise"]["usage"]) == ("", None, 1)


def test_history_has_one_mean_for_each_span_of_the_range(file: Path) -> None:
    missing = rows_of(file)["shaky"]["history"]["missing"]
    known = [value for value in missing if value is not None]
    assert len(missing) == 30 and len(known) >= 28
    assert known == sorted(known)


@pytest.mark.parametrize(("row", "decision"), [
    ({"missing": 0.01, "utility": 0.01, "utility_floor": 0.05}, "keep"),  # the floor is too high to say
    ({"missing": 0.99, "optional": True}, "contact"),
    ({"missing": 0.01, "episodes": 3, "utility": 0.3, "utility_floor": 0.01}, "contact"),
    ({"missing": 0.01, "change": 0.4, "utility": 0.3, "utility_floor": 0.01}, "contact"),
    ({"missing": 0.01, "utility": 0.3, "utility_floor": 0.01, "utility_excess": 0.29,
      "history": {"utility": [0.4] * 5 + [0.1] * 5}}, "contact"),
    ({}, "keep"),
])  # fmt: skip
def test_rules(row: dict[str, Any], decision: str) -> None:
    assert judged(row)[0] == decision


def test_features_that_go_missing_together_are_suggested_and_others_are_not() -> None:
    wave = [0.1, 0.5, 0.2, 0.6, 0.1, 0.4]
    rows = [
        {"name": "age", "history": {"missing": wave}},
        {"name": "income", "history": {"missing": [x / 2 for x in wave]}},
        {"name": "hour", "history": {"missing": wave[::-1]}}, {"name": "still", "history": {"missing": [0.0] * 6}},
    ]  # fmt: skip
    assert [[one["name"] for one in found] for found in similar(rows)] == [["income"], ["age"], [], []]


def test_the_command_prints_lines_csv_and_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["features", "--job", "ctr", "--since", "2d", "--config", str(file)]
    assert main(arguments) == 0
    text = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in text if not line.startswith(" ")][:3] == [
        ["drop", "gone"], ["drop", "noise"], ["drop", "one_value"]
    ]  # fmt: skip
    assert main([*arguments, "--csv", "--decision", "contact"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["name"] for row in rows] == ["never", "shaky", "weak"]
    assert main([*arguments, "--json", "--decision", "keep"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == ["useful"]


def test_an_unknown_job_and_a_job_without_data_are_told(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", "--job", "crt", "--config", str(file)]) == 2
    told = capsys.readouterr().err
    assert "unknown job 'crt'" in told
    assert "did you mean ctr?" in told
    assert main(["features", "--job", "other", "--config", str(file)]) == 2
    assert "nothing is known of job 'other' yet" in capsys.readouterr().err


def test_a_hostile_name_is_no_formula_in_the_csv() -> None:
    row = {"name": "=cmd()", "similar": [{"name": "a"}, {"name": "b"}]}
    assert as_csv([row]).splitlines()[1].startswith("'=cmd(),")

